//! What is sent in one go.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use postgres_protocol::{
    IsNull,
    message::frontend::{self, BindError},
};
use tokio_postgres::types::{self, ToSql, Type};

use super::{super::binary, Error, Rope};

/// Bytes of one message of a COPY, about: small ones cost the server wake-ups, large ones memory.
const MESSAGE_BYTES: usize = 128 << 10;
/// Slices of fewer bytes are copied together: one more piece to send costs as much. What is copied is
/// memory that nobody has accounted for.
const COPIED_BYTES: usize = 512;
/// The name of what is not prepared.
const UNNAMED: &str = "";
/// Everything goes in PostgreSQL's binary format.
const BINARY: i16 = 1;

/// Statements that are one transaction, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Request {
    rope: Rope,
    /// Behind the rope.
    tail: BytesMut,
    executed: usize,
}

impl Request {
    /// Prepares `statement` under `name`, for as long as the connection lasts.
    ///
    /// # Errors
    /// [`Error::Line`] when it does not fit into the protocol, as for all others.
    pub fn prepare(&mut self, name: &str, statement: &str) -> Result<(), Error> {
        frontend::parse(name, statement, [], &mut self.tail).map_err(Error::Line)
    }

    /// Executes what was prepared under `name`.
    ///
    /// # Errors
    /// As [`Request::prepare`].
    pub fn execute(
        &mut self,
        name: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<(), Error> {
        let serialize = |(value, kind): &(&(dyn ToSql + Sync), Type), into: &mut BytesMut| {
            Ok(match value.to_sql_checked(kind, into)? {
                types::IsNull::Yes => IsNull::Yes,
                types::IsNull::No => IsNull::No,
            })
        };
        let formats = [BINARY];
        frontend::bind(
            UNNAMED,
            name,
            formats,
            values,
            serialize,
            formats,
            &mut self.tail,
        )
        .map_err(|error| match error {
            BindError::Conversion(error) => io::Error::new(io::ErrorKind::InvalidInput, error),
            BindError::Serialization(error) => error,
        })
        .and_then(|()| frontend::execute(UNNAMED, 0, &mut self.tail))
        .map_err(Error::Line)?;
        self.executed += 1;
        Ok(())
    }

    /// Plans and executes `statement` this once.
    ///
    /// # Errors
    /// As [`Request::prepare`].
    pub fn ask(
        &mut self,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<(), Error> {
        self.prepare(UNNAMED, statement)?;
        self.execute(UNNAMED, values)
    }

    /// Executes the COPY that was prepared under `name`, with these encoded rows.
    ///
    /// # Errors
    /// As [`Request::prepare`].
    pub fn copy(&mut self, name: &str, rows: impl Iterator<Item = Bytes>) -> Result<(), Error> {
        self.execute(name, &[])?;
        let mut slices = vec![Bytes::from_static(&binary::HEADER)];
        let mut bytes = binary::HEADER.len();
        for mut slice in rows {
            while bytes + slice.len() > MESSAGE_BYTES {
                slices.push(slice.split_to(MESSAGE_BYTES - bytes));
                self.copy_data(&mut slices)?;
                bytes = 0;
            }
            bytes += slice.len();
            slices.push(slice);
        }
        slices.push(Bytes::from_static(&binary::TRAILER));
        self.copy_data(&mut slices)?;
        frontend::copy_done(&mut self.tail);
        Ok(())
    }

    fn copy_data(&mut self, slices: &mut Vec<Bytes>) -> Result<(), Error> {
        // the length counts itself
        let bytes = size_of::<i32>() + slices.iter().map(Bytes::len).sum::<usize>();
        let bytes = i32::try_from(bytes)
            .map_err(|error| Error::Line(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        self.tail.put_u8(b'd');
        self.tail.put_i32(bytes);
        for slice in slices.drain(..) {
            if slice.len() < COPIED_BYTES {
                self.tail.extend_from_slice(&slice);
            } else {
                self.rope.push(self.tail.split().freeze());
                self.rope.push(slice);
            }
        }
        Ok(())
    }

    /// Ends the transaction; answers with its bytes and the number of statements that it executes.
    pub(super) fn finish(mut self) -> (Rope, usize) {
        frontend::sync(&mut self.tail);
        self.rope.push(self.tail.freeze());
        (self.rope, self.executed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    /// The kinds of the messages of `bytes`, and the data of the COPY among them.
    fn read(request: Request) -> (String, Vec<Bytes>) {
        let (mut bytes, executed) = request.finish();
        let (mut kinds, mut data) = (String::new(), Vec::new());
        while bytes.has_remaining() {
            let kind = char::from(bytes.get_u8());
            let length = bytes.get_i32();
            let body = bytes.copy_to_bytes(usize::try_from(length).expect("a length") - 4);
            kinds.push(kind);
            if kind == 'd' {
                data.push(body);
            }
        }
        assert_eq!(kinds.matches('E').count(), executed);
        (kinds, data)
    }

    #[test]
    fn a_transaction_ends_once_behind_all_its_statements() {
        let mut request = Request::default();
        request.prepare("one", "select 1").expect("it fits");
        request.execute("one", &[]).expect("it fits");
        request
            .ask("select $1::text", &[(&"x", Type::TEXT)])
            .expect("it fits");
        request.copy("rows", std::iter::empty()).expect("it fits");
        let (kinds, data) = read(request);
        assert_eq!(kinds, "PBEPBEBEdcS");
        assert_eq!(data, [[&binary::HEADER[..], &binary::TRAILER].concat()]);
    }

    #[test]
    fn rows_go_in_messages_of_one_size_and_large_ones_from_where_they_lie() {
        let sizes = [1, COPIED_BYTES - 1, COPIED_BYTES, 3 * MESSAGE_BYTES, 7];
        let rows = sizes.map(|size| Bytes::from(vec![b'x'; size]));
        let request = || {
            let mut request = Request::default();
            request.copy("rows", rows.iter().cloned()).expect("it fits");
            request
        };
        let (kinds, data) = read(request());
        assert_eq!(kinds, "BEddddcS");
        let bytes = binary::HEADER.len() + sizes.iter().sum::<usize>() + binary::TRAILER.len();
        assert_eq!(data.concat().len(), bytes);
        assert!(data[..3].iter().all(|data| data.len() == MESSAGE_BYTES));

        let ((mut sent, _), mut lent) = (request().finish(), 0);
        while sent.has_remaining() {
            let bytes = sent.chunk().len();
            if rows[3].as_ptr_range().contains(&sent.chunk().as_ptr()) {
                lent += bytes;
            }
            sent.advance(bytes);
        }
        assert_eq!(lent, rows[3].len());
    }
}
