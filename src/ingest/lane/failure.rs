//! Why a transaction of a lane did not commit, and what that means for its rows.

use std::{borrow::Cow, fmt, time::Duration};

use tokio_postgres::error::SqlState;

use super::bisect::{Cause, Verdict};
use crate::pg::{self, Retry, direct};

/// The SQLSTATE of what holds a batch because an end in it is not as simple as it was taken for.
const ODD_END: &str = "FT002";

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
    /// A transaction failed that was sent in one go.
    Direct(direct::Error),
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

/// An error of the database, whichever way it came.
struct Said<'a> {
    code: &'a SqlState,
    message: &'a str,
    table: Option<&'a str>,
    column: Option<&'a str>,
    constraint: Option<&'a str>,
}

impl Said<'_> {
    /// Whether the session's transaction or prepared statements are not what they are taken for
    /// (classes 25 and 26): the same again would fail the same way.
    fn astray(&self) -> bool {
        let code = self.code.code();
        code.starts_with("25") || code.starts_with("26")
    }
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
            Self::Direct(error) => error.retry(),
            Self::Silence(_) | Self::Doubtful | Self::Adrift => Retry::Backoff,
            Self::Elsewhere => Retry::AfterFix(
                "let the database URL lead to the database that this server began with, or start the server anew",
            ),
            Self::Schema => Retry::AfterFix(
                "run `flowtrail migrate`, or the newer flowtrail that the schema asks for",
            ),
        }
    }

    /// What the database said.
    fn said(&self) -> Option<Said<'_>> {
        match self {
            Self::Statement(error) => error.as_db_error().map(|error| Said {
                code: error.code(),
                message: error.message(),
                table: error.table(),
                column: error.column(),
                constraint: error.constraint(),
            }),
            Self::Direct(error) => error.complaint().map(|complaint| Said {
                code: &complaint.code,
                message: &complaint.message,
                table: complaint.table.as_deref(),
                column: complaint.column.as_deref(),
                constraint: complaint.constraint.as_deref(),
            }),
            _ => None,
        }
    }

    /// Whether no row at all could pass: a column that is not of ours must not be null.
    fn refuses_every_row(&self) -> bool {
        self.said().is_some_and(|said| {
            *said.code == SqlState::NOT_NULL_VIOLATION
                && said.column.is_some_and(|column| !COLUMNS.contains(&column))
        })
    }

    /// Whether half the rows may do where all took too long.
    fn took_too_long(&self) -> bool {
        matches!(self, Self::Silence(_)) || self.is(&SqlState::QUERY_CANCELED)
    }

    /// Whether the optimistic way met a record that is stored already, an end that no start waits for,
    /// or another writer.
    pub fn conflict(&self) -> bool {
        let odd = |said: Said<'_>| said.code.code() == ODD_END;
        self.is(&SqlState::UNIQUE_VIOLATION) || self.deadlock() || self.said().is_some_and(odd)
    }

    /// Whether it is about a row of this table.
    pub fn is_of(&self, table: &str) -> bool {
        self.said().and_then(|said| said.table) == Some(table)
    }

    /// Whether another writer locked the same rows in another order.
    pub fn deadlock(&self) -> bool {
        self.is(&SqlState::T_R_DEADLOCK_DETECTED)
    }

    fn is(&self, code: &SqlState) -> bool {
        self.said().is_some_and(|said| said.code == code)
    }

    /// Whether the session can go on after a rollback.
    pub fn keeps_session(&self) -> bool {
        match self {
            Self::Statement(_) | Self::Direct(_) => {
                (self.said()).is_some_and(|said| !pg::ends_session(said.code) && !said.astray())
            }
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
        let said = self.said();
        let code = said.as_ref().map(|said| said.code.code());
        Cause {
            code: code.unwrap_or_default().to_owned(),
            constraint: said
                .and_then(|said| said.constraint.or(said.column))
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
            Self::Statement(_) | Self::Direct(_) => match self.retry() {
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
            Self::Statement(error) => match self.said() {
                Some(said) => format!("{} (SQLSTATE {})", said.message, said.code.code()).into(),
                None => error.to_string().into(),
            },
            Self::Direct(error) => error.to_string().into(),
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

impl From<direct::Error> for Failure {
    fn from(error: direct::Error) -> Self {
        Self::Direct(error)
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
