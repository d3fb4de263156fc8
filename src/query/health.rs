//! Whether the history can be read now.

use std::time::Duration;

use tokio::time::timeout;

use super::{Error, History};
use crate::pg::{self, Retry};

/// How long an answer is waited for: who asks for health wants to know soon.
const ANSWER: Duration = Duration::from_secs(10);

/// What the tables of the database are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// All three are there.
    pub complete: bool,
    /// `flowstate` has the columns of inputs and outputs.
    pub payloads: bool,
}

impl History {
    /// Asks the database, over the connections of all other questions.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn tables(&self) -> Result<Tables, Error> {
        let client = self.pool.get().await?;
        let statement = include_str!("../../sql/query/tables.sql");
        let rows = timeout(ANSWER, client.query_typed(statement, &[])).await;
        let rows = rows.map_err(|_| pg::Error::Silent(ANSWER))??;
        let row = rows.first();
        let yes = |column| row.is_some_and(|row| row.try_get(column).unwrap_or(false));
        Ok(Tables {
            complete: yes("complete"),
            payloads: yes("payloads"),
        })
    }
}

impl Error {
    /// What kind of failure this is, in words that hold no text of the database.
    pub fn kind(&self) -> &'static str {
        let Self::Database(error) = self else {
            return "the question is wrong";
        };
        match (error, error.retry()) {
            (pg::Error::Busy, _) => "no connection to the database became free in time",
            (pg::Error::Silent(_), _) => "the database fell silent",
            (_, Retry::Backoff) => "the database cannot be reached",
            (pg::Error::Statement(_), _) => "the database refused a statement",
            _ => "the database refuses connections",
        }
    }
}
