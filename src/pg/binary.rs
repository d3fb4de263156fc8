//! PostgreSQL's binary COPY format, written by hand: rows become bytes once, at the edge.
//!
//! A row is a 16-bit count of columns, then each column as a 32-bit length and its bytes; the
//! length -1 is NULL. See "Binary Format" of PostgreSQL's COPY page.

/// What stands before the rows: signature, no flags, no header extension.
pub const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands after the rows.
pub const TRAILER: [u8; 2] = [0xff, 0xff];

/// Begins a row of `columns` columns.
pub fn row(buffer: &mut Vec<u8>, columns: i16) {
    buffer.extend_from_slice(&columns.to_be_bytes());
}

/// A `text` or `bytea` column, or one of another type in its binary form.
///
/// # Panics
/// When it has 2 GiB or more; the edge takes far smaller events only.
pub fn bytes(buffer: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else {
        return null(buffer);
    };
    let length = i32::try_from(value.len()).expect("an event is far below 2 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(value);
}

/// A `timestamp` column, µs since 2000-01-01 UTC.
pub fn timestamp(buffer: &mut Vec<u8>, since_2000: Option<i64>) {
    let Some(micros) = since_2000 else {
        return null(buffer);
    };
    buffer.extend_from_slice(&8_i32.to_be_bytes());
    buffer.extend_from_slice(&micros.to_be_bytes());
}

/// A `boolean` column.
pub fn boolean(buffer: &mut Vec<u8>, value: Option<bool>) {
    let Some(value) = value else {
        return null(buffer);
    };
    buffer.extend_from_slice(&1_i32.to_be_bytes());
    buffer.push(u8::from(value));
}

/// A `smallint` column.
pub fn smallint(buffer: &mut Vec<u8>, value: i16) {
    buffer.extend_from_slice(&2_i32.to_be_bytes());
    buffer.extend_from_slice(&value.to_be_bytes());
}

/// A `text` column holding `number` as a decimal.
pub fn decimal(buffer: &mut Vec<u8>, number: u32) {
    let mut digits = [0_u8; 10];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes(buffer, Some(&digits[at..]));
}

fn null(buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&(-1_i32).to_be_bytes());
}
