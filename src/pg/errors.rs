//! What happened with the database, in one line that ends in what to do.

use std::{fmt, io, path::Path, time::Duration};

use deadpool_postgres::{PoolError, TimeoutType};

use super::{Refusal, Retry, verdict};

/// Why the database could not be reached or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL, or a file it names, cannot be used.
    #[error("the database URL cannot be used: {0}")]
    Url(String),
    /// No server would have us.
    #[error("{}", Unreached(whom, refusals))]
    Connect {
        /// `host:port/dbname as user`.
        whom: String,
        /// What each server did, in the order they were tried; never empty.
        refusals: Vec<Refusal>,
    },
    /// A statement failed.
    #[error("{}", Failed(.0))]
    Statement(tokio_postgres::Error),
    /// Every connection of the pool stayed in use.
    #[error("no connection to the database became free in time; raise --pool-size")]
    Busy,
    /// A connection was made, and then the server said nothing for this long.
    #[error("the database fell silent for {:.1} s; check that it is neither stopped nor overloaded", .0.as_secs_f64())]
    Silent(Duration),
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Url(_) => Retry::AfterFix("correct the database URL"),
            Self::Connect { refusals, .. } => {
                let fix = |refusal: &&Refusal| matches!(refusal.retry, Retry::AfterFix(_));
                // One server that is only away is reason enough to try again.
                refusals
                    .iter()
                    .find(|refusal| !fix(refusal))
                    .or(refusals.last())
                    .map_or(Retry::Backoff, |refusal| refusal.retry)
            }
            Self::Statement(error) => verdict(error),
            Self::Busy | Self::Silent(_) => Retry::Backoff,
        }
    }

    pub(super) fn file(word: &str, path: &Path, source: &io::Error) -> Self {
        Self::Url(format!(
            "{word} {} cannot be read ({source}); name a file this process may read",
            path.display()
        ))
    }

    /// The error of ours that a driver's error carries, for code that must return the driver's.
    pub(super) fn carried_by(error: &tokio_postgres::Error) -> Option<&Self> {
        std::error::Error::source(error)?
            .downcast_ref::<io::Error>()?
            .get_ref()?
            .downcast_ref()
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if Self::carried_by(&error).is_none() {
            return Self::Statement(error);
        }
        error
            .into_source()
            .and_then(|source| source.downcast::<io::Error>().ok())
            .and_then(|source| source.into_inner())
            .and_then(|inner| inner.downcast::<Self>().ok())
            .map_or(Self::Busy, |ours| *ours)
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait | TimeoutType::Create | TimeoutType::Recycle)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Self::Busy,
        }
    }
}

struct Unreached<'a>(&'a str, &'a [Refusal]);

impl fmt::Display for Unreached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(whom, refusals) = self;
        write!(f, "cannot connect to {whom}: ")?;
        if let [only] = refusals {
            return write!(f, "{}; {}", only.reason, only.remedy);
        }
        for (at, refusal) in refusals.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", refusal.target, refusal.reason)?;
        }
        refusals
            .last()
            .map_or(Ok(()), |last| write!(f, "; {}", last.remedy))
    }
}

struct Failed<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        match error.as_db_error() {
            Some(db) => write!(
                f,
                "the database refused a statement: {} ({})",
                one_line(db.message()),
                db.code().code()
            )?,
            None => write!(
                f,
                "a statement did not reach its end: {}",
                one_line(&causes(*error))
            )?,
        }
        match verdict(error) {
            Retry::AfterFix(remedy) => write!(f, "; {remedy}"),
            Retry::Backoff => f.write_str("; try again in a moment"),
            Retry::Never => f.write_str("; this is a defect of flowtrail, please report it"),
        }
    }
}

/// `error` and what caused it, joined by colons.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = chain.map(ToString::to_string).collect();
    texts.join(": ")
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
