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

mod active;
mod codec;
mod disk;
pub mod drain;
mod error;
mod format;
mod inspect;
pub mod metrics;
mod place;
mod portion;
mod quarantine;
mod reader;
mod record;
mod recover;
mod rejected;
mod retry;
mod scan;
mod state;
mod survey;
mod writer;

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};
use uuid::Uuid;

pub use error::{Error, Refused};
pub use reader::Reader;
pub use record::Record;
pub use rejected::{Rejected, Why, rejected, rejected_row};
pub use retry::{retry, waiting};
pub use scan::Damage;
pub use survey::{Survey, Surveyed, occupant, survey};

use disk::Disk;
pub use place::Occupant;
use place::{Place, at};
use state::Shared;
use writer::{COMMANDS, Command, Writer};

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
pub struct Spool {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Spool {
    /// Takes the lock, reads what an earlier process left, cuts a torn tail, puts damage aside, and
    /// starts the writer's thread. Blocks; makes no segment before the first append.
    ///
    /// # Errors
    /// [`Error`]: another service uses it, it holds events of another database, or the disk refuses.
    pub fn open(options: Options) -> Result<(Self, Reader), Error> {
        Self::open_on(Disk::default(), options)
    }

    fn open_on(disk: Disk, mut options: Options) -> Result<(Self, Reader), Error> {
        // space comes back a segment at a time
        let most = (options.limit_bytes / 4).max(64 << 10);
        options.segment_bytes = options.segment_bytes.min(most);
        let place = Place::take(&options.dir)?;
        let state = recover::recover(&options)?;
        let starting = at("start the writer of", &options.dir);
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(&starting)?;
        let shared = Arc::new(Shared::new(options, state));
        let (commands, received) = mpsc::channel(COMMANDS);
        let writer = Writer::new(Arc::clone(&shared), disk, place, received);
        thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run(&runtime))
            .map_err(&starting)?;
        let reader = Reader::new(Arc::clone(&shared), commands.clone());
        Ok((Self { shared, commands }, reader))
    }

    /// Keeps `records`. `Ok` means that every byte of them was synced to disk. Cancel safe, but they
    /// may be kept all the same.
    ///
    /// # Errors
    /// [`Refused`]: nothing is promised of any of them.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), Refused> {
        if records.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let command = Command::Append(records, answer);
        let sent = self.commands.send(command).await;
        sent.map_err(|_| Refused::Closed)?;
        answered.await.unwrap_or(Err(Refused::Closed))
    }

    /// What it holds now. Neither waits nor reads the disk.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Events that are kept and not finished: what the tables do not show yet.
    pub fn pending(&self) -> u64 {
        self.shared.state().events
    }

    /// Writes what was handed over, gives preallocated space back, ends the thread and lets the lock
    /// go. Later appends are refused.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Close(answer)).await.is_ok() {
            // an error is a thread that has ended
            let _ = answered.await;
        }
    }
}

#[cfg(test)]
mod tests;
