//! What handle, writer and reader know together. Its lock is held for a few assignments only, never
//! while the disk is waited for.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tokio::sync::watch;

use super::{Options, Status, format::Seed};

/// For so long after something was refused we say that it would be again.
const REFUSAL: Duration = Duration::from_secs(5);

/// A segment that is not deleted.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number in this process; later ones have higher numbers.
    pub id: u64,
    /// Its file.
    pub path: PathBuf,
    /// When it was made, µs since 1970.
    pub made_at: i64,
    /// Sequence of its first record.
    pub first: u64,
    /// The sequence behind its last record.
    pub next: u64,
    /// Position behind its last synced record.
    pub end: u64,
    /// Nothing will be added to it.
    pub closed: bool,
    /// Bytes on disk.
    pub bytes: u64,
    /// Records in it, finished ones included.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// Positions of damage that was put aside.
    pub damaged_at: Vec<u64>,
}

/// The numbers.
#[derive(Debug, Default)]
pub struct State {
    /// In the order in which they are read.
    pub segments: Vec<Segment>,
    /// Records that are not finished.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// When the oldest of them was handed over, µs since 1970.
    pub oldest_at: Option<i64>,
    /// Events appended since the start.
    pub appended: u64,
    /// Events finished since the start.
    pub drained: u64,
    /// Damaged stretches put aside since the start.
    pub quarantined: u64,
    /// Rows put into `rejected/` since the start.
    pub rejected: u64,
    /// Rows in `rejected/` now.
    pub rejected_kept: u64,
    /// Preallocated bytes that can be written to without a new segment.
    pub room: u64,
    /// When something was refused last, unless something was taken or deleted since.
    pub refused_at: Option<Instant>,
    /// Nothing is taken any more.
    pub closed: bool,
}

impl State {
    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The segment of this number, unless it is deleted.
    pub fn segment(&mut self, id: u64) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|segment| segment.id == id)
    }

    /// Forgets a deleted segment, and what was counted in it and could not be given back.
    pub fn forget(&mut self, id: u64, given: Given) {
        let Some(at) = self.segments.iter().position(|segment| segment.id == id) else {
            return;
        };
        let segment = self.segments.remove(at);
        self.refused_at = None;
        let lost = segment.records.saturating_sub(given.records);
        self.records = self.records.saturating_sub(lost);
        let lost = segment.events.saturating_sub(given.events);
        self.events = self.events.saturating_sub(lost);
        if self.records == 0 {
            self.oldest_at = None;
        }
    }
}

/// What the reader gave of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// Records.
    pub records: u64,
    /// Events in them.
    pub events: u64,
}

/// One for each spool.
#[derive(Debug)]
pub struct Shared {
    /// What the spool was opened with; a segment's bytes are made to go into the limit.
    pub options: Options,
    /// What our records' CRCs begin with.
    pub seed: Seed,
    /// Rises when there may be more to read.
    pub changes: watch::Sender<u64>,
    /// Seconds that a group's sync took.
    pub sync_seconds: Histogram,
    state: Mutex<State>,
}

impl Shared {
    /// The state at the start.
    pub fn new(options: Options, state: State) -> Self {
        Self {
            seed: options.database.into(),
            options,
            changes: watch::Sender::new(0),
            sync_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            state: Mutex::new(state),
        }
    }

    /// The state now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told of it.
    pub fn status(&self) -> Status {
        let state = self.state();
        let (bytes, limit_bytes) = (state.bytes(), self.options.limit_bytes);
        let segment = self.options.segment_bytes;
        let room = state.room >= (segment / 4).min(1 << 20)
            || bytes.saturating_sub(state.room) + segment <= limit_bytes;
        let refuses = state.refused_at.is_some_and(|at| at.elapsed() < REFUSAL);
        Status {
            bytes,
            limit_bytes,
            records: state.records,
            events: state.events,
            oldest_age: state.oldest_at.map(|at| {
                let micros = u64::try_from(now().saturating_sub(at)).unwrap_or(0);
                Duration::from_micros(micros)
            }),
            appended: state.appended,
            drained: state.drained,
            quarantined: state.quarantined,
            rejected: state.rejected,
            takes: room && !refuses && !state.closed,
        }
    }

    /// Wakes the reader.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// µs since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
