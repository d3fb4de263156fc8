//! What makes an event invalid, and the checks that texts must pass.

use std::fmt;

use ascii::AsciiStr;

/// Bytes of a text that is part of a key or that instances are found by, at most: PostgreSQL refuses
/// index rows of over 2,704 bytes.
pub const INDEXED_TEXT_BYTES: usize = 512;

/// Why an event can never be taken as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Not an event, or of no kind we know.
    UnknownKind,
    /// A required field is empty or not set.
    MissingField,
    /// A text with NUL, or not UTF-8.
    InvalidText,
    /// An indexed text over [`INDEXED_TEXT_BYTES`].
    TextTooLong,
    /// A broken time, or one outside PostgreSQL's range.
    InvalidTime,
    /// A step id below zero.
    InvalidStepId,
    /// More bytes than the server takes.
    EventTooLarge,
    /// The database refused the row.
    RefusedByDatabase,
}

/// An invalid event: the reason, and a sentence naming field and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong.
    pub reason: Reason,
    /// The field and the remedy; never the value.
    pub sentence: String,
}

impl Invalid {
    /// An invalid event with its sentence.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self {
            reason,
            sentence: sentence.into(),
        }
    }

    /// A required `field` that is not there.
    pub fn missing(field: &'static str) -> Self {
        Self::new(
            Reason::MissingField,
            format!("{field} is not set; it is required"),
        )
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Invalid {}

/// The beginning of a text from outside for a sentence: at most so many letters and on one line.
pub fn excerpt(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut shown = String::new();
    for letter in letters.by_ref().take(most) {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    if letters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

/// `bytes` as a text that PostgreSQL can hold.
///
/// # Errors
/// [`Reason::InvalidText`] when it is not UTF-8 or holds NUL.
#[inline]
pub fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Invalid> {
    // Most texts are ASCII, which is quicker to find out.
    let text = match AsciiStr::from_ascii(bytes) {
        Ok(text) => text.as_str(),
        Err(_) => std::str::from_utf8(bytes).map_err(|_| not_utf8(field))?,
    };
    if holds_nul(bytes) {
        return Err(nul(field));
    }
    Ok(text)
}

/// Whether any byte is NUL; eight at a time, as texts are short and many.
#[inline]
fn holds_nul(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of a byte below 0x80 comes from a borrow, and only NUL borrows first.
    let nul = |eight: &[u8; 8]| {
        let word = u64::from_ne_bytes(*eight);
        word.wrapping_sub(ONES) & !word & HIGHS != 0
    };
    match bytes.last_chunk() {
        Some(last) => nul(last) || bytes.as_chunks().0.iter().any(nul),
        None => bytes.contains(&0),
    }
}

#[cold]
fn not_utf8(field: &'static str) -> Invalid {
    Invalid::new(
        Reason::InvalidText,
        format!("{field} is not UTF-8; send texts as UTF-8, other bytes in a payload"),
    )
}

#[cold]
fn nul(field: &'static str) -> Invalid {
    Invalid::new(
        Reason::InvalidText,
        format!("{field} holds a NUL character, which PostgreSQL cannot store; remove it"),
    )
}

/// Like [`text`], for a column that is or may become part of an index.
///
/// # Errors
/// Those of [`text`], and [`Reason::TextTooLong`].
#[inline]
pub fn indexed_text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Invalid> {
    if bytes.len() > INDEXED_TEXT_BYTES {
        return Err(too_long(field, bytes.len()));
    }
    text(field, bytes)
}

#[cold]
fn too_long(field: &'static str, bytes: usize) -> Invalid {
    Invalid::new(
        Reason::TextTooLong,
        format!("{field} has {bytes} bytes; send at most {INDEXED_TEXT_BYTES}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_utf8_without_nul_and_an_indexed_one_is_short() {
        let check = |bytes: &[u8], expected: Result<(), Reason>| {
            let found = indexed_text("flow_name", bytes)
                .map(|_| ())
                .map_err(|e| e.reason);
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(b"", Ok(()));
        check("größe".as_bytes(), Ok(()));
        check(&[b'x'; 512], Ok(()));
        check(&[b'x'; 513], Err(Reason::TextTooLong));
        check(b"a\0b", Err(Reason::InvalidText));
        check(b"\xff", Err(Reason::InvalidText));
        assert!(text("task_name", &[b'x'; 513]).is_ok());
    }

    #[test]
    fn nul_is_found_wherever_it_stands_and_nothing_else_is_taken_for_it() {
        for length in 0..40 {
            for other in [0x01, b'x', 0x7f, 0x80, 0x81, 0xff] {
                let mut bytes = vec![other; length];
                assert!(!holds_nul(&bytes), "{bytes:?}");
                for at in 0..length {
                    bytes[at] = 0;
                    assert!(holds_nul(&bytes), "{bytes:?}");
                    bytes[at] = other;
                }
            }
        }
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt("größe", 5), "größe");
        assert_eq!(excerpt("größer", 5), "größe...");
        assert_eq!(excerpt("a\nb\u{1b}[1m", 9), "a\\nb\\u{1b}[1m");
    }

    #[test]
    fn a_sentence_names_the_field_and_not_the_value() {
        let sentence = text("task_name", b"secret\0").expect_err("NUL").sentence;
        assert!(sentence.contains("task_name") && !sentence.contains("secret"));
    }
}
