//! Where a page of instances begins.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Error, row::Time};

/// First byte of a cursor: which form the others have.
const FORM: u8 = 1;

/// Behind which instance a page begins: the order is start time, then id, both descending, and an
/// instance without a start time comes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Start time of the last instance of the page before.
    pub(super) at: Time,
    /// Its id.
    pub(super) id: String,
}

impl Cursor {
    /// The text that a caller gives back: letters, digits, `-` and `_`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend(self.at.0.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other text.
    pub fn decode(text: &str) -> Result<Self, Error> {
        read(text).ok_or_else(|| {
            Error::invalid(
                "page",
                "is not one this service gave out; send `next_page` of the response before, or nothing for the first page",
            )
        })
    }
}

fn read(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&form, rest) = bytes.split_first()?;
    let (at, id) = rest.split_first_chunk()?;
    let id = str::from_utf8(id).ok()?;
    (form == FORM && !id.contains('\0')).then(|| Cursor {
        at: Time(i64::from_be_bytes(*at)),
        id: id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        for at in [0, -1, i64::MIN, i64::MAX, 820_000_000_123_456] {
            for id in ["", "i1", "größe/?=%"] {
                let cursor = Cursor {
                    at: Time(at),
                    id: id.to_owned(),
                };
                let text = cursor.encode();
                assert!(
                    text.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                );
                assert_eq!(Cursor::decode(&text).expect(&text), cursor);
            }
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        let nul = URL_SAFE_NO_PAD.encode(b"\x0112345678a\0");
        let form = URL_SAFE_NO_PAD.encode(b"\x0212345678a");
        let broken = URL_SAFE_NO_PAD.encode(b"\x0112345678\xff");
        for text in [
            "", "x", "AQ", "50", "AQ==", "' or 1=1", &nul, &form, &broken,
        ] {
            let error = Cursor::decode(text).expect_err(text).to_string();
            assert!(error.starts_with("page "), "{error}");
        }
    }
}
