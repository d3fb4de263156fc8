//! The writer's thread: takes what waits, writes it, syncs once, answers everybody.

use std::{
    fs, io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{
    Error, Record, Refused,
    active::{Active, Encoded, Mark},
    disk::{Disk, sync_directory},
    format::HEADER_BYTES,
    place::{Place, at},
    retry,
    state::{Given, Shared},
};

/// Commands that may wait.
pub const COMMANDS: usize = 1024;
/// Bytes that are written before what was written is synced.
const GROUP: u64 = 32 << 20;
/// How often we look into `retry/`.
const TICK: Duration = Duration::from_secs(1);

/// What the writer is asked for.
#[derive(Debug)]
pub enum Command {
    /// To keep records.
    Append(Vec<Record>, oneshot::Sender<Result<(), Refused>>),
    /// To delete a segment that was read up to `end`, unless it has grown since.
    Delete {
        /// Its number.
        id: u64,
        /// Where the reader is in it.
        end: u64,
        /// What was given of it, and finished.
        given: Given,
        /// Whether it is gone.
        answer: oneshot::Sender<Result<bool, Error>>,
    },
    /// To end.
    Close(oneshot::Sender<()>),
}

/// The thread's side.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    disk: Disk,
    commands: mpsc::Receiver<Command>,
    active: Option<Active>,
    /// The sequence of the next record.
    next: u64,
    /// The number of the next segment.
    next_id: u64,
    /// Written, not synced.
    written: Vec<oneshot::Sender<Result<(), Refused>>>,
    /// Something was taken since something was refused.
    taken: bool,
    /// When `rejected/` had changed when its files were counted.
    pub(super) rejected_at: Option<SystemTime>,
    place: Place,
}

impl Writer {
    /// A writer behind what the state holds.
    pub fn new(
        shared: Arc<Shared>,
        disk: Disk,
        place: Place,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let (next, next_id) = {
            let state = shared.state();
            let next = state.segments.iter().map(|segment| segment.next).max();
            (next.unwrap_or(1), state.segments.len() as u64)
        };
        Self {
            shared,
            disk,
            commands,
            active: None,
            next,
            next_id,
            written: Vec::new(),
            taken: false,
            rejected_at: None,
            place,
        }
    }

    /// Works until it is closed or nobody is left to ask for anything.
    pub fn run(mut self, runtime: &Runtime) {
        let mut tick = Instant::now();
        let mut closing = Vec::new();
        while closing.is_empty() {
            let command =
                runtime.block_on(async { timeout_at(tick.into(), self.commands.recv()).await });
            match command {
                Ok(Some(command)) => closing = self.group(command),
                Ok(None) => break,
                Err(_) => {}
            }
            if closing.is_empty() && tick <= Instant::now() {
                retry::take_up(&mut self);
                tick = Instant::now() + TICK;
            }
        }
        self.commands.close();
        self.end();
        for answer in closing {
            // who asked may have gone
            let _ = answer.send(());
        }
    }

    /// What every group of records is: write, one sync, answers. Then what else was asked for.
    fn group(&mut self, first: Command) -> Vec<oneshot::Sender<()>> {
        let (mut bytes, mut deletions, mut closing) = (0, Vec::new(), Vec::new());
        let mut command = Some(first);
        while let Some(next) = command.take() {
            match next {
                Command::Append(records, answer) => {
                    bytes += records.iter().map(|r| r.bytes() as u64).sum::<u64>();
                    match self.append(records) {
                        Ok(()) => self.written.push(answer),
                        // who asked may have gone
                        Err(refused) => drop(answer.send(Err(refused))),
                    }
                }
                Command::Delete {
                    id,
                    end,
                    given,
                    answer,
                } => deletions.push((id, end, given, answer)),
                Command::Close(answer) => {
                    closing.push(answer);
                    break;
                }
            }
            if bytes < GROUP {
                command = self.commands.try_recv().ok();
            }
        }
        // each of those who wait is told
        let _ = self.sync();
        for (id, end, given, answer) in deletions {
            // what is not taken is asked for again
            let _ = answer.send(self.delete(id, end, given));
        }
        closing
    }

    /// Writes and syncs records that nobody waits for.
    pub fn keep(&mut self, records: Vec<Record>) -> Result<(), Refused> {
        self.append(records)?;
        self.sync()
    }

    /// What handle, writer and reader share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Writes records, all or, as far as anybody is told, none.
    fn append(&mut self, records: Vec<Record>) -> Result<(), Refused> {
        let began = self
            .active
            .as_ref()
            .map(|active| (active.id, active.written));
        let written = self.write(records);
        self.taken = written.is_ok();
        if written.is_err() {
            self.take_back(began);
        }
        written
    }

    fn write(&mut self, records: Vec<Record>) -> Result<(), Refused> {
        let mut waiting = Vec::new();
        let mut bytes = 0;
        for record in records {
            let record = Encoded::new(record);
            let needed = record.bytes();
            let room = self.active.as_ref().map_or(0, Active::room);
            if bytes + needed > room {
                self.put(&waiting)?;
                waiting.clear();
                bytes = 0;
                self.roll(needed)?;
            }
            bytes += needed;
            waiting.push(record);
        }
        self.put(&waiting)
    }

    fn put(&mut self, records: &[Encoded]) -> Result<(), Refused> {
        let Some(active) = self.active.as_mut().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        let written = active.write(&self.disk, self.shared.seed, records);
        written.map_err(|error| refuse(&self.shared, &error))?;
        self.next = active.written.next;
        Ok(())
    }

    /// Leaves nothing of records that were refused, where that can be done.
    fn take_back(&mut self, began: Option<(u64, Mark)>) {
        let Some(active) = &mut self.active else {
            return;
        };
        // a segment that was begun meanwhile holds nothing of others
        let mark = match began {
            Some((id, mark)) if id == active.id && mark.end >= active.synced.end => mark,
            _ => active.synced,
        };
        self.next = mark.next;
        if let Err(error) = active.rewind(&self.disk, mark) {
            tracing::warn!(%error, "a segment of the spool cannot be written to again");
            // what was written before is whole, and its senders wait
            if self.sync().is_ok() {
                self.retire();
            }
        }
    }

    /// Begins a new segment with room for a record of this many bytes.
    fn roll(&mut self, needed: u64) -> Result<(), Refused> {
        let options = &self.shared.options;
        let bytes = options.segment_bytes.max(HEADER_BYTES + needed);
        let spare = self.active.as_ref().map_or(0, Active::room);
        let held = self.shared.state().bytes().saturating_sub(spare);
        if held + bytes > options.limit_bytes {
            // there may be room for less, which whoever waits with more does not come to
            self.shared.state().refused_at = Some(Instant::now());
            return Err(Refused::Full);
        }
        self.sync()?;
        let made = Active::create(&self.disk, &self.shared, self.next_id, self.next, bytes);
        let made = made.map_err(|error| refuse(&self.shared, &error))?;
        self.next_id += 1;
        self.retire();
        self.shared.state().room = made.room();
        self.active = Some(made);
        Ok(())
    }

    /// Syncs what is written and answers those who wait for it. After a failure nobody knows what of
    /// it is on disk: the segment is not written to again, and nothing behind its last successful
    /// sync is promised.
    fn sync(&mut self) -> Result<(), Refused> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        let synced = if active.written.end == active.synced.end {
            Ok(())
        } else {
            active.sync(&self.disk, &self.shared)
        };
        let result = synced.map_err(|error| {
            tracing::error!(
                file = %active.path.display(),
                %error,
                "the spool's disk failed to sync: this segment is closed, what was not synced is refused"
            );
            refuse(&self.shared, &error)
        });
        if result.is_err() {
            self.taken = false;
            self.next = active.synced.next;
            self.retire();
        } else if self.taken {
            self.shared.state().refused_at = None;
        }
        for answer in self.written.drain(..) {
            // who asked may have gone
            let _ = answer.send(result.clone());
        }
        result
    }

    /// Writes no more to the active segment.
    fn retire(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        let path = active.path.clone();
        if let Err(error) = active.close(&self.shared) {
            tracing::warn!(file = %path.display(), %error, "cannot give back a segment's spare space");
        }
    }

    /// Deletes a segment that ends where the reader is; false when there is more in it.
    fn delete(&mut self, id: u64, end: u64, given: Given) -> Result<bool, Error> {
        let path = match self.shared.state().segment(id) {
            None => return Ok(true),
            Some(segment) if segment.end != end => return Ok(false),
            Some(segment) => segment.path.clone(),
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("delete", &path)(error));
            }
            _ => {}
        }
        let mut state = self.shared.state();
        if self.active.as_ref().is_some_and(|active| active.id == id) {
            self.active = None;
            state.room = 0;
        }
        state.forget(id, given);
        drop(state);
        if let Err(error) = sync_directory(&self.shared.options.dir) {
            // after a crash it may be there again, and is given again
            tracing::warn!(%error, "cannot sync the spool's directory");
        }
        Ok(true)
    }

    /// Gives spare space and the lock back.
    fn end(mut self) {
        self.retire();
        self.shared.state().closed = true;
        drop(self.place);
    }
}

fn refuse(shared: &Shared, error: &io::Error) -> Refused {
    shared.state().refused_at = Some(Instant::now());
    Refused::Disk(error.to_string())
}
