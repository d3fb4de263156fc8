//! Reading a segment front to back, a portion at a time, past what is damaged in it.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _};

use bytes::Bytes;

use super::{
    Record, codec,
    format::{FRAME_BYTES, Frame, Seed},
};

/// Bytes read at once, unless a record is larger.
pub const PORTION: u64 = 4 << 20;
/// Bytes looked at together in search of a record.
const WINDOW: usize = 256 << 10;

/// A stretch of a segment that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file; empty when records are missing between two healthy ones.
    pub bytes: Range<u64>,
    /// The sequences of the records that are lost with it.
    pub sequences: Range<u64>,
}

/// What a scan comes upon.
#[derive(Debug)]
pub enum Found {
    /// A healthy record.
    Record {
        /// Its sequence.
        sequence: u64,
        /// It, its rows slices of what was read.
        record: Record,
    },
    /// Something is lost here; healthy records follow.
    Damage(Damage),
    /// No record follows.
    Rest {
        /// Bytes up to the last one that is not zero.
        used: u64,
        /// They go to the end of the record that they begin with, or further: it was written as a
        /// whole and damaged later. A write that was interrupted ends in zeros or with the file.
        whole: bool,
    },
}

/// A file, and how far it was read.
#[derive(Debug)]
pub struct Scan {
    file: File,
    seed: Seed,
    at: u64,
    end: u64,
    expected: u64,
    ahead: Bytes,
}

impl Scan {
    /// A scan of `file` from position `at` up to `end`, where a record with this sequence should be.
    pub fn new(file: File, seed: Seed, at: u64, end: u64, expected: u64) -> Self {
        Self {
            file,
            seed,
            at,
            end,
            expected,
            ahead: Bytes::new(),
        }
    }

    /// Where the next record should be.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The sequence it should have.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// More of the file may be read now.
    pub fn extend(&mut self, end: u64) {
        self.end = end;
    }

    /// Goes on somewhere else.
    pub fn skip_to(&mut self, at: u64, expected: u64) {
        (self.at, self.expected) = (at, expected);
        self.ahead = Bytes::new();
    }

    /// What is next; none at the end. [`Found::Rest`] is found again and again.
    pub fn next(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        if let Some((frame, record)) = self.record()? {
            let sequence = frame.sequence;
            if sequence > self.expected {
                return Ok(Some(Found::Damage(self.pass(self.at, sequence))));
            }
            self.ahead = self.ahead.split_off(index(frame.record_bytes()));
            self.at += frame.record_bytes();
            self.expected += 1;
            return Ok(Some(Found::Record { sequence, record }));
        }
        let frame = Frame::decode(&self.peek(FRAME_BYTES)?);
        let frame = frame.filter(|frame| frame.fits(self.end - self.at));
        let search = Search {
            scan: self,
            used: 0,
        };
        Ok(Some(match search.run()? {
            Ok((at, sequence)) => Found::Damage(self.pass(at, sequence)),
            Err(used) => Found::Rest {
                used,
                whole: frame.is_some_and(|frame| frame.record_bytes() <= used),
            },
        }))
    }

    /// Passes over what is between here and the record at `at`.
    fn pass(&mut self, at: u64, sequence: u64) -> Damage {
        let damage = Damage {
            bytes: self.at..at,
            sequences: self.expected..sequence,
        };
        if at > self.at {
            self.skip_to(at, sequence);
        }
        self.expected = sequence;
        damage
    }

    /// The record here, if there is one that can follow.
    fn record(&mut self) -> io::Result<Option<(Frame, Record)>> {
        let frame = Frame::decode(&self.peek(FRAME_BYTES)?);
        let Some(frame) = frame.filter(|frame| frame.fits(self.end - self.at)) else {
            return Ok(None);
        };
        if frame.sequence < self.expected {
            return Ok(None);
        }
        let bytes = self.peek(frame.record_bytes())?;
        Ok(verify(self.seed, frame, &bytes).map(|record| (frame, record)))
    }

    /// The next `bytes`, or as many as there are.
    fn peek(&mut self, bytes: u64) -> io::Result<Bytes> {
        if (self.ahead.len() as u64) < bytes {
            let most = self.end - self.at;
            self.ahead = read(&self.file, self.at, bytes.max(PORTION).min(most))?;
        }
        let length = self.ahead.len().min(index(bytes));
        Ok(self.ahead.slice(..length))
    }
}

/// The record in `bytes` that begin with `frame`, if they are what was written.
pub fn verify(seed: Seed, frame: Frame, bytes: &Bytes) -> Option<Record> {
    if (bytes.len() as u64) < frame.record_bytes() {
        return None;
    }
    let payload = bytes.slice(index(FRAME_BYTES)..index(frame.record_bytes()));
    let whole = frame.matches(seed, &payload);
    whole.then(|| codec::decode(&payload)).flatten()
}

/// The search for a record behind what is none.
struct Search<'a> {
    scan: &'a Scan,
    used: u64,
}

impl Search<'_> {
    /// The position and sequence of the next record, or how many bytes are not zero behind which
    /// there is none.
    fn run(mut self) -> io::Result<Result<(u64, u64), u64>> {
        let (from, end) = (self.scan.at, self.scan.end);
        // a frame that begins in one window may end in the next
        let overlap = FRAME_BYTES - 1;
        let mut at = from;
        while at < end {
            let window = read(&self.scan.file, at, (end - at).min(WINDOW as u64))?;
            if window.is_empty() {
                break;
            }
            if !is_zero(&window) {
                let used = window.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                self.used = at + used as u64 + 1 - from;
                if let Some(found) = self.look(&window, at)? {
                    return Ok(Ok(found));
                }
            }
            if at + window.len() as u64 >= end {
                break;
            }
            at += (window.len() as u64).saturating_sub(overlap).max(1);
        }
        Ok(Err(self.used))
    }

    fn look(&self, window: &[u8], start: u64) -> io::Result<Option<(u64, u64)>> {
        let scan = self.scan;
        for (at, bytes) in (start..).zip(window.windows(index(FRAME_BYTES))) {
            let Some(frame) = Frame::decode(bytes).filter(|_| at > scan.at) else {
                continue;
            };
            // no more records can be lost than fit in between
            let most = scan
                .expected
                .saturating_add((at - scan.at) / FRAME_BYTES + 1);
            if !(scan.expected..=most).contains(&frame.sequence) || !frame.fits(scan.end - at) {
                continue;
            }
            let bytes = read(&scan.file, at, frame.record_bytes())?;
            if verify(scan.seed, frame, &bytes).is_some() {
                return Ok(Some((at, frame.sequence)));
            }
        }
        Ok(None)
    }
}

/// Whether all of it is zero; compares blocks, as there may be a whole segment of zeros.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|block| *block == ZEROS[..block.len()])
}

/// `bytes` from position `at` on; fewer where the file ends.
pub fn read(file: &File, at: u64, bytes: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; index(bytes)];
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

/// Positions within a portion or a record fit a `usize`.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
