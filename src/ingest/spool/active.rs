//! The segment that is written to.

use std::{
    fs::{self, File},
    io::{self, IoSlice},
    path::PathBuf,
};

use super::{
    Record, codec,
    disk::{Disk, sync_directory},
    format::{FORMAT, FRAME_BYTES, Frame, HEADER_BYTES, Header, ROW_LAYOUT, Seed},
    state::{Segment, Shared, now},
};

/// A record that is about to be written: its bytes, without a copy of its rows.
#[derive(Debug)]
pub struct Encoded {
    record: Record,
    head: Vec<u8>,
}

impl Encoded {
    /// Encodes what stands before the rows.
    pub fn new(record: Record) -> Self {
        Self {
            head: codec::head(&record),
            record,
        }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        FRAME_BYTES + (self.head.len() + self.record.bytes()) as u64
    }

    /// The frame it has under this sequence; none when it is too long.
    pub fn frame(&self, seed: Seed, sequence: u64) -> Option<Frame> {
        let rows = [&self.record.steps.bytes, &self.record.flows.bytes];
        Frame::around(seed, sequence, &[&self.head, rows[0], rows[1]])
    }
}

/// How far a segment is written, and what is written.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Position behind the last record.
    pub end: u64,
    /// The sequence behind it.
    pub next: u64,
    /// Records.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// When the first record behind what is synced was handed over, µs since 1970.
    pub oldest_at: Option<i64>,
}

/// The segment that is written to.
#[derive(Debug)]
pub struct Active {
    /// Its number.
    pub id: u64,
    /// Its file's name.
    pub path: PathBuf,
    /// Bytes set aside for it.
    pub bytes: u64,
    /// What is written.
    pub written: Mark,
    /// What is synced and may be read.
    pub synced: Mark,
    /// Something may stand behind what is written.
    torn: bool,
    file: File,
}

impl Active {
    /// Makes a segment that begins with this sequence, on disk with its name when this returns.
    pub fn create(
        disk: &Disk,
        shared: &Shared,
        id: u64,
        first: u64,
        bytes: u64,
    ) -> io::Result<Self> {
        let dir = &shared.options.dir;
        let path = dir.join(format!("{first:020}.segment"));
        let header = Header {
            format: FORMAT,
            layout: ROW_LAYOUT,
            database: shared.options.database,
            first,
            made_at: now(),
        };
        let file = disk.create(&path, bytes)?;
        let written = disk
            .write(&file, 0, &mut [IoSlice::new(&header.encode())])
            .and_then(|()| disk.sync(&file))
            .and_then(|()| sync_directory(dir));
        if let Err(error) = written {
            // what made it fail is said; a blank segment is removed at the next start
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let mark = Mark {
            end: HEADER_BYTES,
            next: first,
            records: 0,
            events: 0,
            oldest_at: None,
        };
        shared.state().segments.push(Segment {
            id,
            path: path.clone(),
            made_at: header.made_at,
            first,
            next: first,
            end: HEADER_BYTES,
            closed: false,
            bytes,
            records: 0,
            events: 0,
            damaged_at: Vec::new(),
        });
        Ok(Self {
            id,
            path,
            bytes,
            written: mark,
            synced: mark,
            torn: false,
            file,
        })
    }

    /// Bytes that still go into it.
    pub fn room(&self) -> u64 {
        self.bytes.saturating_sub(self.written.end)
    }

    /// Writes records one after the other, their rows from where they are.
    pub fn write(&mut self, disk: &Disk, seed: Seed, records: &[Encoded]) -> io::Result<()> {
        let mut written = self.written;
        let mut frames = Vec::with_capacity(records.len());
        for encoded in records {
            let frame = encoded
                .frame(seed, written.next)
                .ok_or(io::ErrorKind::FileTooLarge)?;
            frames.push(frame.encode());
            written.next += 1;
            written.end += encoded.bytes();
            written.records += 1;
            written.events += encoded.record.events() as u64;
            written.oldest_at.get_or_insert(encoded.record.spooled_at);
        }
        let mut pieces = Vec::with_capacity(records.len() * 4);
        for (frame, encoded) in frames.iter().zip(records) {
            let record = &encoded.record;
            for piece in [
                &frame[..],
                &encoded.head,
                &record.steps.bytes,
                &record.flows.bytes,
            ] {
                if !piece.is_empty() {
                    pieces.push(IoSlice::new(piece));
                }
            }
        }
        self.torn = true;
        disk.write(&self.file, self.written.end, &mut pieces)?;
        self.torn = false;
        self.written = written;
        Ok(())
    }

    /// Goes back to `mark`, and leaves nothing behind it that could be taken for a record.
    pub fn rewind(&mut self, disk: &Disk, mark: Mark) -> io::Result<()> {
        let clean = self.written.end == mark.end && !self.torn;
        self.written = mark;
        if clean {
            return Ok(());
        }
        self.file.set_len(mark.end)?;
        disk.allocate(&self.file, self.bytes)
            .or_else(|_| self.file.set_len(self.bytes))?;
        self.torn = false;
        Ok(())
    }

    /// Syncs what is written; readers may have it then.
    pub fn sync(&mut self, disk: &Disk, shared: &Shared) -> io::Result<()> {
        let began = std::time::Instant::now();
        disk.sync(&self.file)?;
        shared.sync_seconds.observe(began.elapsed().as_secs_f64());
        let (before, after) = (self.synced, self.written);
        self.written.oldest_at = None;
        self.synced = self.written;
        let mut state = shared.state();
        if state.records == 0 {
            state.oldest_at = after.oldest_at;
        }
        state.records += after.records - before.records;
        state.events += after.events - before.events;
        state.appended += after.events - before.events;
        state.room = self.room();
        if let Some(segment) = state.segment(self.id) {
            segment.end = after.end;
            segment.next = after.next;
            segment.records = after.records;
            segment.events = after.events;
        }
        drop(state);
        shared.changed();
        Ok(())
    }

    /// Ends it behind what is synced and gives the rest of its space back. A segment without records
    /// is deleted.
    pub fn close(self, shared: &Shared) -> io::Result<()> {
        let blank = self.synced.records == 0;
        let ended = if blank {
            fs::remove_file(&self.path)
        } else {
            let cut = self.file.set_len(self.synced.end);
            cut.and_then(|()| self.file.sync_all())
        };
        let mut state = shared.state();
        state.room = 0;
        if blank && ended.is_ok() {
            state.segments.retain(|segment| segment.id != self.id);
        } else if let Some(segment) = state.segment(self.id) {
            segment.closed = true;
            if ended.is_ok() {
                segment.bytes = self.synced.end;
            }
        }
        drop(state);
        shared.changed();
        ended
    }
}
