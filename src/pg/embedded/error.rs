//! What can go wrong with the embedded server, each with its remedy.

use std::{io, path::PathBuf, time::Duration};

use super::Missing;
use crate::pg;

/// Why the embedded server does not run, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No programs to run.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The file system refused.
    #[error("cannot {doing} {}: {source}; choose another --data-dir or make it writable", path.display())]
    Directory {
        /// A verb.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// PostgreSQL does not run as root, and its account cannot get to the directory.
    #[error(
        "PostgreSQL runs as user {user}, who cannot enter {}; choose another --data-dir, like /var/lib/flowtrail, or `chmod o+x` that directory",
        directory.display()
    )]
    Closed {
        /// The first directory on the way that is closed.
        directory: PathBuf,
        /// The account.
        user: String,
    },
    /// Another service runs on the directory.
    #[error(
        "{} is in use by another flowtrail{}; stop that one or choose another --data-dir",
        directory.display(),
        pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The other's process id, when it could be read.
        pid: Option<u32>,
    },
    /// The cluster is somebody else's.
    #[error(
        "the cluster in {} belongs to user id {owner}; run flowtrail as that user, or choose another --data-dir",
        directory.display()
    )]
    Owner {
        /// The cluster's directory.
        directory: PathBuf,
        /// User id.
        owner: u32,
    },
    /// We are root and there is nobody else.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`; run flowtrail as another user, or name a database with --database-url"
    )]
    Account,
    /// No cluster could be made.
    #[error("PostgreSQL's initdb failed: {0}; or name a database with --database-url")]
    Initdb(String),
    /// The server ended while starting.
    #[error("the embedded PostgreSQL did not start: {said} (log: {})", log.display())]
    Start {
        /// The last lines of its log.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server let nobody in.
    #[error("the embedded PostgreSQL did not answer within {patience:?}: {said} (log: {})", log.display())]
    Silent {
        /// How long was waited.
        patience: Duration,
        /// The last lines of its log.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// It runs and refuses what it should do.
    #[error("the embedded PostgreSQL refused")]
    Refused(#[source] tokio_postgres::Error),
    /// Its own connector cannot be made.
    #[error(transparent)]
    Connect(pg::Error),
    /// It had to be ended the hard way.
    #[error(
        "the embedded PostgreSQL did not stop within {0:?} and was ended; the next start repairs it"
    )]
    Stop(Duration),
    /// The runtime ended meanwhile.
    #[error("the start of the embedded PostgreSQL was interrupted")]
    Interrupted,
}
