//! The spool: a log on local disk that keeps what the database cannot take now.
//!
//! One for each process, under the data directory. Lanes [append](Spool::append) what they could not
//! commit in time; one thread writes it, many records with one fsync. The [`Reader`] gives the
//! records back in the order in which they were appended, and deletes a segment once all of its
//! records are in the tables or in `rejected/`.
//!
//! ```text
//! DATA_DIR/spool/                 0700
//!   lock                          held while a service uses the spool; holds its process id
//!   00000000000000000001.segment  named by the sequence of its first record
//!   rejected/                     rows that the database refuses, a file each
//!   retry/                        rejected rows that are to be tried again
//!   quarantined/                  segments in which something is damaged
//! ```

pub mod drain;
mod error;
mod record;

use std::{path::PathBuf, time::Duration};

use uuid::Uuid;

pub use error::{Error, Refused};
pub use record::Record;

use super::ticket::Rejection;

/// Bytes of a segment, unless a single record is larger.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// What a spool is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory, made when it is missing.
    pub dir: PathBuf,
    /// Bytes it may take on disk, preallocated ones included.
    pub limit_bytes: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// `flowtrail.meta.database_id` of the database that the events are for.
    pub database: Uuid,
}

/// What a spool holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes it may take.
    pub limit_bytes: u64,
    /// Records that are not finished.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// Age of the oldest of them.
    pub oldest_age: Option<Duration>,
    /// Events appended since the start.
    pub appended: u64,
    /// Events finished since the start.
    pub drained: u64,
    /// Damaged stretches that were put aside since the start.
    pub quarantined: u64,
    /// Rows that were put into `rejected/` since the start.
    pub rejected: u64,
    /// Whether the next append is likely to be taken.
    pub takes: bool,
}

/// Cheap handle: what lanes append to.
#[derive(Clone, Debug)]
pub struct Spool {}

/// The way back: one for each spool.
#[derive(Debug)]
pub struct Reader {}

impl Spool {
    /// Takes the lock, reads what an earlier process left, cuts a torn tail, puts damage aside, and
    /// starts the writer's thread. Blocks; makes no segment before the first append.
    ///
    /// # Errors
    /// [`Error`]: another service uses it, it holds events of another database, or the disk refuses.
    pub fn open(_options: Options) -> Result<(Self, Reader), Error> {
        todo!()
    }

    /// Keeps `records`. `Ok` means that every byte of them was synced to disk. Cancel safe, but they
    /// may be kept all the same.
    ///
    /// # Errors
    /// [`Refused`]: nothing is promised of any of them.
    pub async fn append(&self, _records: Vec<Record>) -> Result<(), Refused> {
        todo!()
    }

    /// What it holds now. Neither waits nor reads the disk.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Events that are kept and not finished: what the tables do not show yet.
    pub fn pending(&self) -> u64 {
        self.status().events
    }

    /// Writes what was handed over, gives preallocated space back, ends the thread and lets the lock
    /// go. Later appends are refused.
    pub async fn close(&self) {
        todo!()
    }
}

impl Reader {
    /// The next record and its sequence, in the order of appending; waits until there is one that is
    /// synced. Damage that is found here is put aside and passed over. Cancel safe.
    ///
    /// # Errors
    /// When the disk cannot be read; the same record can be asked for again.
    pub async fn next(&mut self) -> Result<(u64, Record), Error> {
        todo!()
    }

    /// Every record up to and including `sequence` is in the tables or in `rejected/`. Segments that
    /// hold nothing else are deleted.
    ///
    /// # Errors
    /// When one cannot be deleted; it is tried again with the next call.
    pub async fn finished(&mut self, _sequence: u64) -> Result<(), Error> {
        todo!()
    }

    /// Keeps rows of a record that the database refuses, bytes and reason, synced, before the record
    /// is finished. A rejection's index is the row's number: steps first, then starts and ends. The
    /// same row of the same record is kept once.
    ///
    /// # Errors
    /// When the disk refuses; the record must not be finished then.
    pub async fn reject(
        &mut self,
        _sequence: u64,
        _record: &Record,
        _rejections: &[Rejection],
    ) -> Result<(), Error> {
        todo!()
    }
}
