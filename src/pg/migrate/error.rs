//! What can go wrong with the schema, each with its remedy.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use super::State;
use crate::pg;

/// Why the schema could not be read or brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error(transparent)]
    Connect(pg::Error),
    /// Older than PostgreSQL 12; holds the major version.
    #[error("the server is PostgreSQL {0}; use PostgreSQL 12 or newer")]
    Server(i32),
    /// The database cannot hold every text.
    #[error(
        "database {database} has encoding {encoding}; use one made with `create database ... encoding 'UTF8' template template0`"
    )]
    Encoding {
        /// Its name.
        database: String,
        /// The encoding found.
        encoding: String,
    },
    /// A newer program made the schema and excludes this one.
    #[error("{0}")]
    Newer(State),
    /// A migration of the same number differs, or is unknown here.
    #[error("the migrations this database had are not those of this program: {0}")]
    History(String),
    /// The server refused.
    #[error("{doing}: {problem}{}", remedy(.code.as_ref()))]
    Statement {
        /// What was being done.
        doing: String,
        /// The server's words, on one line.
        problem: String,
        /// SQLSTATE; none when the connection broke.
        code: Option<SqlState>,
    },
}

impl Error {
    pub(super) fn statement(doing: String, error: &tokio_postgres::Error) -> Self {
        let problem = error.as_db_error().map_or_else(
            || {
                error
                    .source()
                    .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
            },
            words,
        );
        Self::Statement {
            doing,
            problem,
            code: error.code().cloned(),
        }
    }

    pub(super) fn runner(doing: String, error: &refinery::Error) -> Self {
        match error.kind() {
            refinery::error::Kind::Connection(_, cause) => {
                match cause.downcast_ref::<tokio_postgres::Error>() {
                    Some(cause) => Self::statement(doing, cause),
                    None => Self::Statement {
                        doing,
                        problem: cause.to_string(),
                        code: None,
                    },
                }
            }
            kind => Self::History(kind.to_string()),
        }
    }
}

fn words(error: &DbError) -> String {
    let mut words = error.message().to_owned();
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        words.push_str(" (");
        words.push_str(more);
        words.push(')');
    }
    words.replace('\n', " ")
}

fn remedy(code: Option<&SqlState>) -> &'static str {
    match code {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; run it as the owner of the database and its tables, or hand `flowtrail migrate --print` to its administrator"
        }
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
            "; something else uses the tables: run it again when long transactions have ended"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "; this server takes no writes: name the primary"
        }
        Some(code) if *code == SqlState::FEATURE_NOT_SUPPORTED => {
            "; drop what depends on the column, migrate, and make it again"
        }
        _ => "",
    }
}
