//! Why a transaction of a lane did not commit, and what that means for its rows.

use std::{borrow::Cow, fmt, time::Duration};

use tokio_postgres::error::SqlState;

use super::bisect::{Cause, Verdict};
use crate::pg::{self, Retry};

/// What events fill in `steps` and `flowstate`.
const COLUMNS: [&str; 23] = [
    "appname",
    "appversion",
    "endtime",
    "executiontime",
    "flowinput",
    "flowinstanceid",
    "flowname",
    "flowoutput",
    "hostid",
    "misc",
    "parentflowinstanceid",
    "parentflowname",
    "parentstepid",
    "rerun",
    "reruncount",
    "rerunofflowinstanceid",
    "starttime",
    "status",
    "stepdata",
    "stepid",
    "subflowid",
    "taskname",
    "userid",
];

/// Why rows are not known to be stored.
#[derive(Debug)]
pub enum Failure {
    /// No connection.
    Connect(pg::Error),
    /// A statement failed.
    Statement(tokio_postgres::Error),
    /// The database said nothing for this long.
    Silence(Duration),
    /// COMMIT was answered with a warning: the commit may be missing on a synchronous standby.
    Doubtful,
    /// It is another database than the one that the events are for.
    Elsewhere,
    /// Its schema is not one that this program can write to.
    Schema,
    /// A record that stood in the way was moved by another writer meanwhile.
    Adrift,
}

impl Failure {
    /// What it means for the rows that were tried.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            retry: self.retry(),
            cause: self.cause(),
            every_row: self.refuses_every_row(),
            took_too_long: self.took_too_long(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Connect(error) => error.retry(),
            Self::Statement(error) => pg::verdict(error),
            Self::Silence(_) | Self::Doubtful | Self::Adrift => Retry::Backoff,
            Self::Elsewhere => Retry::AfterFix(
                "let the database URL lead to the database that this server began with, or start the server anew",
            ),
            Self::Schema => Retry::AfterFix(
                "run `flowtrail migrate`, or the newer flowtrail that the schema asks for",
            ),
        }
    }

    /// Whether no row at all could pass: a column that is not of ours must not be null.
    fn refuses_every_row(&self) -> bool {
        let Self::Statement(error) = self else {
            return false;
        };
        let column = error.as_db_error().and_then(|refusal| refusal.column());
        error.code() == Some(&SqlState::NOT_NULL_VIOLATION)
            && column.is_some_and(|column| !COLUMNS.contains(&column))
    }

    /// Whether half the rows may do where all took too long.
    fn took_too_long(&self) -> bool {
        matches!(self, Self::Silence(_)) || self.is(&SqlState::QUERY_CANCELED)
    }

    /// Whether the optimistic way met a record that is stored already, or another writer.
    pub fn conflict(&self) -> bool {
        self.is(&SqlState::UNIQUE_VIOLATION) || self.deadlock()
    }

    /// Whether it is about a row of this table.
    pub fn is_of(&self, table: &str) -> bool {
        let Self::Statement(error) = self else {
            return false;
        };
        error.as_db_error().and_then(|error| error.table()) == Some(table)
    }

    /// Whether another writer locked the same rows in another order.
    pub fn deadlock(&self) -> bool {
        self.is(&SqlState::T_R_DEADLOCK_DETECTED)
    }

    fn is(&self, code: &SqlState) -> bool {
        matches!(self, Self::Statement(error) if error.code() == Some(code))
    }

    /// Whether the session can go on after a rollback.
    pub fn keeps_session(&self) -> bool {
        match self {
            Self::Statement(error) => error.code().is_some() && !pg::is_stale(error),
            Self::Adrift => true,
            Self::Connect(_)
            | Self::Silence(_)
            | Self::Doubtful
            | Self::Elsewhere
            | Self::Schema => false,
        }
    }

    /// What rows are refused for.
    fn cause(&self) -> Cause {
        let refusal = match self {
            Self::Statement(error) => error.as_db_error(),
            _ => None,
        };
        Cause {
            code: refusal.map_or_else(String::new, |e| e.code().code().to_owned()),
            constraint: refusal
                .and_then(|e| e.constraint().or(e.column()))
                .map(str::to_owned),
        }
    }

    /// The name of its class in the metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Silence(_) => "silence",
            Self::Doubtful => "doubtful",
            Self::Adrift => "adrift",
            Self::Elsewhere => "elsewhere",
            Self::Schema => "schema",
            Self::Statement(_) => match self.retry() {
                Retry::Backoff => "retry",
                Retry::AfterFix(_) => "operator",
                Retry::Never => "refused",
            },
        }
    }
}

impl fmt::Display for Failure {
    /// One line without values of rows: a statement's error has those in its detail, which stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Cow<'_, str> = match self {
            Self::Connect(error) => error.to_string().into(),
            Self::Statement(error) => match error.as_db_error() {
                Some(refusal) => {
                    format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code()).into()
                }
                None => error.to_string().into(),
            },
            Self::Silence(time) => format!("no answer for {:.1} s", time.as_secs_f32()).into(),
            Self::Doubtful => "the commit was not confirmed by a synchronous standby".into(),
            Self::Elsewhere => "this is another database".into(),
            Self::Schema => "the schema's version does not go with this program".into(),
            Self::Adrift => "another writer moved a record meanwhile".into(),
        };
        f.write_str(&words)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<pg::Error> for Failure {
    fn from(error: pg::Error) -> Self {
        match error {
            pg::Error::Statement(error) => Self::Statement(error),
            error => Self::Connect(error),
        }
    }
}
