//! Where a page of instances begins.

use super::Error;
use crate::event::Micros;

/// Behind which instance a page begins: the order is start time, then id, both descending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Start time of the last instance of the page before; none sorts last.
    pub started_at: Option<Micros>,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The text that a caller gives back.
    #[must_use]
    pub fn encode(&self) -> String {
        todo!("base64url")
    }

    /// Reads what [`Cursor::encode`] made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other text.
    pub fn decode(_text: &str) -> Result<Self, Error> {
        todo!("base64url")
    }
}
