//! What the server says when something is wrong.

use std::{fmt, io};

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;
use tokio_postgres::error::SqlState;

/// An error, or a notice. Its detail, which has values of rows, is not in it.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Its SQLSTATE.
    pub code: SqlState,
    /// In the server's words.
    pub message: String,
    /// Whether it is a warning.
    pub warning: bool,
    /// What it is about, where the server says so.
    pub table: Option<String>,
    /// As the table.
    pub column: Option<String>,
    /// As the table.
    pub constraint: Option<String>,
}

impl Complaint {
    pub(super) fn read(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut complaint = Self {
            code: SqlState::INTERNAL_ERROR,
            message: String::new(),
            warning: false,
            table: None,
            column: None,
            constraint: None,
        };
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes());
            match field.type_() {
                b'C' => complaint.code = SqlState::from_code(&value),
                b'M' => complaint.message = value.into_owned(),
                b'V' => complaint.warning = value == "WARNING",
                b't' => complaint.table = Some(value.into_owned()),
                b'c' => complaint.column = Some(value.into_owned()),
                b'n' => complaint.constraint = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(complaint)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code.code())
    }
}
