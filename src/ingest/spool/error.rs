//! Why a spool cannot be used, and why it takes nothing more.

use std::{io, path::PathBuf};

use uuid::Uuid;

/// Why a spool cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process uses it.
    #[error("the spool in {dir} is used by another service{}; stop it, or give this one another --data-dir", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// Where.
        dir: PathBuf,
        /// Which process, if it says so.
        pid: Option<u32>,
    },
    /// It holds events of another database.
    #[error(
        "the spool in {dir} holds {events} events for another database ({found}, this one is {wanted}); drain it into that one (flowtrail spool drain --database-url ...), or move the directory away"
    )]
    Foreign {
        /// Where.
        dir: PathBuf,
        /// Events in it.
        events: u64,
        /// The database they are for.
        found: Uuid,
        /// The one we work with.
        wanted: Uuid,
    },
    /// A newer program wrote it.
    #[error(
        "{file} has format {found}, this program knows up to {known}; run the newer flowtrail that wrote it"
    )]
    Newer {
        /// The segment.
        file: PathBuf,
        /// Its format version.
        found: u16,
        /// The newest one known.
        known: u16,
    },
    /// The disk refuses.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why records were not taken. Senders wait then, as without a spool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All the bytes it may take are used.
    #[error("the spool is full; raise --spool-bytes, or bring the database back")]
    Full,
    /// The disk refuses, because it is full or broken.
    #[error("the spool's disk refuses: {0}")]
    Disk(String),
    /// It was closed.
    #[error("the spool is closed")]
    Closed,
}
