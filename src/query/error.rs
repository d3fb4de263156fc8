//! Why a question got no answer.

use tokio_postgres::error::SqlState;

use crate::{
    pg,
    status::{Code, Status},
};

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for is not stored. A sentence that names it.
    #[error("{0}")]
    NotFound(String),
    /// The question is wrong.
    #[error("{field} {problem}")]
    Invalid {
        /// Of the request.
        field: &'static str,
        /// What it is and what it has to be.
        problem: String,
    },
    /// What is stored is not what a Flogo engine posts. A sentence that names the step.
    #[error("{0}")]
    Unreadable(String),
    /// So many events are on their way, and the question needs all of them.
    #[error("{}", Status::pending(*.0))]
    Pending(u64),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] pg::Error),
}

impl Error {
    /// A `field` of the question and what is wrong with it.
    pub fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::Invalid { field, problem }
    }

    /// An instance that is not stored.
    pub fn no_instance(id: &str) -> Self {
        Self::NotFound(format!("instance {id} is not stored"))
    }

    /// What PostgreSQL said, where it was PostgreSQL.
    pub(super) fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Self::Database(pg::Error::Statement(error)) => error.code(),
            _ => None,
        }
    }

    /// What a caller is told. Failures of the database are logged here, as callers see none of
    /// their text.
    pub fn status(&self) -> Status {
        match self {
            Self::NotFound(sentence) => Status::not_found(sentence.clone()),
            Self::Invalid { .. } => Status::invalid(self.to_string()),
            Self::Unreadable(sentence) => Status::new(Code::FailedPrecondition, sentence.clone()),
            Self::Pending(events) => Status::pending(*events),
            Self::Database(_) if self.sqlstate() == Some(&SqlState::QUERY_CANCELED) => {
                tracing::info!("a query took longer than --statement-timeout");
                Status::new(
                    Code::DeadlineExceeded,
                    "the answer took too long; narrow the time range, or name user, app and what else is known",
                )
            }
            Self::Database(error) => {
                tracing::warn!(%error, "a query failed");
                match error.retry() {
                    pg::Retry::Backoff => {
                        Status::unavailable("the database cannot be reached; try again")
                    }
                    pg::Retry::AfterFix(_) | pg::Retry::Never => Status::new(
                        Code::Internal,
                        "the database refused the statement; the server's log says why",
                    ),
                }
            }
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Database(error.into())
    }
}
