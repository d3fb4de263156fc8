//! The way back: records in the order in which they were appended, and the end of their segments.

use std::{collections::VecDeque, io, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    Error, Record,
    format::HEADER_BYTES,
    place::at,
    portion::{self, Portion},
    rejected::{self, Origin},
    scan::Scan,
    state::{Given, Shared},
    writer::Command,
};
use crate::ingest::ticket::Rejection;

/// The way back: one for each spool.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    changes: watch::Receiver<u64>,
    /// Where we are; none before the first segment and between two.
    cursor: Option<Cursor>,
    /// The number of the last segment that was begun.
    begun: Option<u64>,
    reading: Option<JoinHandle<Result<Portion, Error>>>,
    ahead: VecDeque<(u64, Record)>,
    /// Given and not finished.
    given: VecDeque<Outstanding>,
    /// The sequence given last. It only rises, even where segments were put back by hand.
    last: u64,
    /// Read to their ends, not deleted.
    passed: VecDeque<Cursor>,
}

/// A segment that is being read or was.
#[derive(Debug)]
struct Cursor {
    id: u64,
    made_at: i64,
    at: u64,
    /// None until its file is opened, and after an error.
    scan: Option<Scan>,
    expected: u64,
    given: Given,
    /// The last sequence given of it.
    last: u64,
}

#[derive(Debug)]
struct Outstanding {
    sequence: u64,
    events: u64,
    spooled_at: i64,
    origin: Origin,
}

impl Reader {
    /// A reader from the first segment on.
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>) -> Self {
        Self {
            changes: shared.changes.subscribe(),
            shared,
            commands,
            cursor: None,
            begun: None,
            reading: None,
            ahead: VecDeque::new(),
            given: VecDeque::new(),
            last: 0,
            passed: VecDeque::new(),
        }
    }

    /// The next record and its sequence, in the order of appending; waits until there is one that is
    /// synced. Damage that is found here is put aside and passed over. Cancel safe.
    ///
    /// # Errors
    /// When the disk cannot be read; the same record can be asked for again.
    pub async fn next(&mut self) -> Result<(u64, Record), Error> {
        loop {
            if let Some((sequence, record)) = self.ahead.pop_front() {
                return Ok(self.give(sequence, record));
            }
            if let Some(reading) = &mut self.reading {
                let portion = reading.await;
                self.reading = None;
                self.take(portion.map_err(io::Error::other))?;
                continue;
            }
            self.changes.borrow_and_update();
            if self.look() {
                continue;
            }
            self.tidy().await?;
            // never an error: we hold the sender too
            let _ = self.changes.changed().await;
        }
    }

    /// Every record up to and including `sequence` is in the tables or in `rejected/`. Segments that
    /// hold nothing else are deleted.
    ///
    /// # Errors
    /// When one cannot be deleted; it is tried again with the next call.
    pub async fn finished(&mut self, sequence: u64) -> Result<(), Error> {
        let done = self
            .given
            .partition_point(|given| given.sequence <= sequence);
        if done > 0 {
            let mut state = self.shared.state();
            let mut newest = 0;
            for given in self.given.drain(..done) {
                state.records = state.records.saturating_sub(1);
                state.events = state.events.saturating_sub(given.events);
                state.drained += given.events;
                newest = given.spooled_at;
            }
            let next = self.given.front().map(|given| given.spooled_at);
            let next = next.or_else(|| self.ahead.front().map(|ahead| ahead.1.spooled_at));
            // what was not read yet is no older than what was finished
            state.oldest_at = (state.records > 0).then(|| next.unwrap_or(newest));
        }
        self.tidy().await
    }

    /// Keeps rows of a record that the database refuses, bytes and reason, synced, before the record
    /// is finished. A rejection's index is the row's number: steps first, then starts and ends. The
    /// same row of the same record is kept once.
    ///
    /// # Errors
    /// When the disk refuses; the record must not be finished then.
    pub async fn reject(
        &mut self,
        sequence: u64,
        record: &Record,
        rejections: &[Rejection],
    ) -> Result<(), Error> {
        let given = self.given.iter().find(|given| given.sequence == sequence);
        let origin = given.map_or(
            Origin {
                made_at: 0,
                sequence,
            },
            |given| given.origin,
        );
        let (shared, record) = (Arc::clone(&self.shared), record.clone());
        let rejections = rejections.to_vec();
        let dir = shared.options.dir.clone();
        let kept = spawn_blocking(move || {
            let new = rejected::keep(&shared.options, origin, &record, &rejections)?;
            let mut state = shared.state();
            state.rejected += new;
            state.rejected_kept += new;
            Ok(())
        });
        kept.await
            .map_err(|error| at("write into", &dir)(io::Error::other(error)))?
    }

    fn give(&mut self, sequence: u64, record: Record) -> (u64, Record) {
        let events = record.events() as u64;
        self.last = sequence.max(self.last + 1);
        let made_at = self.cursor.as_mut().map_or(0, |cursor| {
            cursor.given.records += 1;
            cursor.given.events += events;
            cursor.last = self.last;
            cursor.made_at
        });
        self.given.push_back(Outstanding {
            sequence: self.last,
            events,
            spooled_at: record.spooled_at,
            origin: Origin { made_at, sequence },
        });
        (self.last, record)
    }

    /// Takes over what was read, or forgets how far it was.
    fn take(&mut self, portion: io::Result<Result<Portion, Error>>) -> Result<(), Error> {
        let dir = &self.shared.options.dir;
        let portion = portion.map_err(at("read", dir))??;
        if let Some(cursor) = &mut self.cursor {
            cursor.at = portion.scan.at();
            cursor.expected = portion.scan.expected();
            cursor.scan = Some(portion.scan);
            self.ahead = portion.records;
            if let Some((_, next)) = self.ahead.front().filter(|_| self.given.is_empty()) {
                self.shared.state().oldest_at = Some(next.spooled_at);
            }
        }
        Ok(())
    }

    /// Begins to read or goes on to the next segment; false when there is nothing to read now.
    fn look(&mut self) -> bool {
        let mut state = self.shared.state();
        let Some(cursor) = &mut self.cursor else {
            let begun = self.begun;
            let next = state
                .segments
                .iter()
                .find(|segment| Some(segment.id) > begun);
            let Some(segment) = next else {
                return false;
            };
            self.begun = Some(segment.id);
            self.cursor = Some(Cursor {
                id: segment.id,
                made_at: segment.made_at,
                at: HEADER_BYTES,
                scan: None,
                expected: segment.first,
                given: Given::default(),
                last: 0,
            });
            return true;
        };
        let Some(segment) = state.segment(cursor.id) else {
            self.cursor = None;
            return true;
        };
        if cursor.at < segment.end {
            let (segment, shared) = (segment.clone(), Arc::clone(&self.shared));
            drop(state);
            let (at, expected) = (cursor.at, cursor.expected);
            let scan = cursor.scan.take();
            self.reading = Some(spawn_blocking(move || {
                portion::read(&shared, &segment, scan, at, expected)
            }));
            return true;
        }
        let closed = segment.closed;
        if closed {
            drop(state);
            self.passed.extend(self.cursor.take());
        }
        closed
    }

    /// Has segments deleted of which everything is finished; the last one too when nothing is left.
    async fn tidy(&mut self) -> Result<(), Error> {
        let first = self.given.front().map(|given| given.sequence);
        while let Some(passed) = self.passed.front() {
            if first.is_some_and(|first| first <= passed.last) {
                return Ok(());
            }
            delete(&self.commands, passed).await?;
            self.passed.pop_front();
        }
        let idle = self.given.is_empty() && self.ahead.is_empty() && self.reading.is_none();
        let at_end = |cursor: &&Cursor| {
            let mut state = self.shared.state();
            let segment = state.segment(cursor.id);
            segment.is_some_and(|segment| segment.end == cursor.at)
        };
        if idle
            && let Some(cursor) = self.cursor.as_ref().filter(at_end)
            && delete(&self.commands, cursor).await?
        {
            self.cursor = None;
        }
        Ok(())
    }
}

/// Asks the writer to delete a segment that ends where we are; false when it does not, or nobody
/// deletes any more.
async fn delete(commands: &mpsc::Sender<Command>, cursor: &Cursor) -> Result<bool, Error> {
    let (answer, answered) = oneshot::channel();
    let command = Command::Delete {
        id: cursor.id,
        end: cursor.at,
        given: cursor.given,
        answer,
    };
    if commands.send(command).await.is_err() {
        return Ok(false);
    }
    answered.await.unwrap_or(Ok(false))
}
