//! What one segment holds, found by reading all of it. Changes nothing.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    format::{HEADER_BYTES, Header},
    scan::{Damage, Found, Scan, read},
};

/// A segment that was read through.
#[derive(Debug)]
pub struct Inspected {
    /// Its file.
    pub path: PathBuf,
    /// Bytes of it.
    pub bytes: u64,
    /// What it says of itself; none when that is damaged.
    pub header: Option<Header>,
    /// Sequence of its first record; by its name where the header is damaged.
    pub first: u64,
    /// The sequence behind its last record.
    pub next: u64,
    /// When it was made, µs since 1970; when it was last written where the header is damaged.
    pub made_at: i64,
    /// Position behind its last healthy record.
    pub end: u64,
    /// Healthy records.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// When the oldest of them was handed over, µs since 1970.
    pub oldest_at: Option<i64>,
    /// When the newest of them was.
    pub newest_at: Option<i64>,
    /// What is damaged before its end.
    pub damage: Vec<Damage>,
    /// Bytes behind its end that are not a record, up to the last one that is not zero.
    pub rest: u64,
    /// They begin with a whole record, which was damaged after it was written.
    pub rest_whole: bool,
}

impl Inspected {
    /// Counts what is behind the last record as damage, unless it may be a write that was interrupted,
    /// as only the newest segment can have.
    pub fn judge_rest(&mut self, newest: bool) {
        let torn = newest && !self.rest_whole;
        if self.rest > 0 && !torn {
            self.damage.push(Damage {
                bytes: self.end..self.end + self.rest,
                // how many, only the next segment tells
                sequences: self.next..self.next,
            });
            self.rest = 0;
        }
    }

    /// Whether nothing was ever written to it: making it was interrupted.
    pub fn is_blank(&self) -> bool {
        self.records == 0 && self.rest == 0
    }
}

/// Opens a segment and reads its header.
pub fn header(path: &Path) -> io::Result<(File, Option<Header>)> {
    let file = File::open(path)?;
    let bytes = read(&file, 0, HEADER_BYTES)?;
    Ok((file, Header::decode(&bytes)))
}

/// Reads a segment. Records behind a damaged header are taken for the database `fallback` if their
/// CRCs agree; of one that a newer program wrote only the header is read.
pub fn inspect(path: &Path, fallback: Option<Uuid>) -> io::Result<Inspected> {
    let (file, header) = header(path)?;
    let metadata = file.metadata()?;
    let written_at = metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1_000;
    let first = header.as_ref().map_or_else(|| named(path), |h| h.first);
    let mut found = Inspected {
        path: path.to_owned(),
        bytes: metadata.len(),
        first,
        next: first,
        made_at: header.as_ref().map_or(written_at, |header| header.made_at),
        end: HEADER_BYTES.min(metadata.len()),
        records: 0,
        events: 0,
        oldest_at: None,
        newest_at: None,
        damage: Vec::new(),
        rest: 0,
        rest_whole: false,
        header,
    };
    if found.header.as_ref().is_some_and(|h| h.newer().is_some()) {
        return Ok(found);
    }
    let database = found.header.as_ref().map(|header| header.database);
    let seed = database.or(fallback).unwrap_or_default().into();
    let mut scan = Scan::new(file, seed, HEADER_BYTES, found.bytes, first);
    while let Some(next) = scan.next()? {
        match next {
            Found::Record { record, .. } => {
                found.records += 1;
                found.events += record.events() as u64;
                let at = record.spooled_at;
                found.oldest_at = Some(found.oldest_at.map_or(at, |oldest| oldest.min(at)));
                found.newest_at = Some(found.newest_at.map_or(at, |newest| newest.max(at)));
                (found.end, found.next) = (scan.at(), scan.expected());
            }
            Found::Damage(damage) => found.damage.push(damage),
            Found::Rest { used, whole } => {
                (found.rest, found.rest_whole) = (used, whole);
                break;
            }
        }
    }
    if found.header.is_none() && !found.is_blank() {
        let header = Damage {
            bytes: 0..HEADER_BYTES.min(found.bytes),
            sequences: first..first,
        };
        found.damage.insert(0, header);
    }
    Ok(found)
}

/// The sequence that a segment's name begins with.
fn named(path: &Path) -> u64 {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or_default();
    let digits = name.find(|c: char| !c.is_ascii_digit());
    let digits = &name[..digits.unwrap_or(name.len())];
    digits.parse().unwrap_or(1).max(1)
}
