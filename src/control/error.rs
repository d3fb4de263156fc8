//! What can go wrong between the toggles and the table.

use std::time::Duration;

use super::metrics::Reason;
use crate::{
    pg,
    status::{Code, Status},
};

/// Why `appstate` could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection of our own.
    #[error(transparent)]
    Connect(#[from] pg::Error),
    /// No connection from the pool.
    #[error("no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The statement failed.
    #[error("the database did not do what was asked")]
    Statement(#[from] tokio_postgres::Error),
    /// No answer in time; the statement may still have worked.
    #[error("the database did not answer within {0:?}")]
    Timeout(Duration),
}

impl Error {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) | Self::Pool(_) => Reason::Connection,
            Self::Timeout(_) => Reason::Timeout,
            Self::Statement(error) if pg::verdict(error) == pg::Retry::Backoff => {
                Reason::Connection
            }
            Self::Statement(_) => Reason::Statement,
        }
    }

    /// What a caller is told.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.reason() {
            Reason::Connection | Reason::Timeout => {
                Status::unavailable("the database cannot be reached; try again")
            }
            Reason::Statement => Status::new(
                Code::Internal,
                "the database refused the statement; the server's log says why",
            ),
        }
    }
}
