//! Rows that the database refuses: a file each, first a line of JSON that says why, then a segment
//! of one record with that row.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Error, Options, Record, codec,
    disk::sync_directory,
    format::{FORMAT, Frame, HEADER_BYTES, Header, ROW_LAYOUT, Seed},
    place::{at, files, make},
    scan::verify,
    state::now,
};
use crate::ingest::{
    queue::{Mark, Rows},
    row,
    ticket::Rejection,
};

/// Where a record was when it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// When its segment was made, µs since 1970: sequences may begin anew when the spool was empty.
    pub made_at: i64,
    /// Its sequence.
    pub sequence: u64,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What the database has against it.
    pub reason: String,
    /// `steps` or `flowstate`.
    pub table: String,
    /// `flowinstanceid`.
    pub instance: String,
    /// `userid` of the app whose engine reported, where it is known.
    pub user: Option<String>,
    /// `appname` of it.
    pub app: Option<String>,
    /// When it was handed to the spool, µs since 1970.
    pub spooled_at: i64,
    /// When it was refused, µs since 1970.
    pub rejected_at: i64,
}

/// A row in `rejected/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its file's name without ending; rises with time.
    pub name: String,
    /// Why it is there.
    pub why: Why,
}

/// The rows in `rejected/`, oldest first. A file that cannot be read says so in its reason.
///
/// # Errors
/// When the directory cannot be read.
pub fn rejected(dir: &Path) -> Result<Vec<Rejected>, Error> {
    let mut found = Vec::new();
    for path in files(&dir.join("rejected"), "row")? {
        let why = match first_line(&path) {
            Ok(line) => serde_json::from_slice(&line).unwrap_or_else(|_| Why {
                reason: "its file is damaged".to_owned(),
                table: String::new(),
                instance: String::new(),
                user: None,
                app: None,
                spooled_at: 0,
                rejected_at: 0,
            }),
            // retried meanwhile
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at("read", &path)(error)),
        };
        let name = path.file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        found.push(Rejected { name, why });
    }
    Ok(found)
}

fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let most = File::open(path)?.take(1 << 20);
    BufReader::new(most).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// A row in `rejected/`: why it is there, and a record with nothing but it; none when its file is
/// damaged.
///
/// # Errors
/// When it cannot be read, or is not there.
pub fn rejected_row(dir: &Path, name: &str) -> Result<Option<(Why, Record)>, Error> {
    let path = dir.join("rejected").join(format!("{name}.row"));
    Ok(read(&path)?.map(|(why, _, record)| (why, record)))
}

/// What is in a row's file, and the database it is for; none when it is damaged.
pub(super) fn read(path: &Path) -> Result<Option<(Why, Uuid, Record)>, Error> {
    let bytes = fs::read(path).map_err(at("read", path))?;
    let parsed = || {
        let (why, segment) = split(&bytes)?;
        let segment = Bytes::copy_from_slice(segment);
        let header = Header::decode(&segment)?;
        let bytes = segment.slice(usize::try_from(HEADER_BYTES).ok()?..);
        let frame = Frame::decode(&bytes)?;
        let record = verify(header.database.into(), frame, &bytes)?;
        Some((why, header.database, record))
    };
    Ok(parsed())
}

fn split(bytes: &[u8]) -> Option<(Why, &[u8])> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let why = serde_json::from_slice(&bytes[..line]).ok()?;
    Some((why, &bytes[line + 1..]))
}

/// Keeps these rows; answers with how many were not kept yet.
pub(super) fn keep(
    options: &Options,
    origin: Origin,
    record: &Record,
    rejections: &[Rejection],
) -> Result<u64, Error> {
    let folder = options.dir.join("rejected");
    make(&folder)?;
    let mut new = 0;
    for rejection in rejections {
        let Origin { made_at, sequence } = origin;
        let row = rejection.index;
        let path = folder.join(format!("{made_at:016x}-{sequence:020}-{row:06}.row"));
        let Some((alone, table)) = only(record, row).filter(|_| !path.exists()) else {
            continue;
        };
        let bytes = encode(options.database, origin, &alone, table, rejection);
        write(&path, &bytes).map_err(at("write", &path))?;
        new += 1;
    }
    sync_directory(&folder).map_err(at("sync", &folder))?;
    Ok(new)
}

/// A record with nothing but this row, and the row's table; none when it has no such row.
fn only(record: &Record, row: u32) -> Option<(Record, &'static str)> {
    let row = usize::try_from(row).ok()?;
    let steps = record.steps.marks.len();
    let (rows, row, table) = match row.checked_sub(steps) {
        None => (&record.steps, row, "steps"),
        Some(row) => (&record.flows, row, "flowstate"),
    };
    let mark = *rows.marks.get(row)?;
    let from = row
        .checked_sub(1)
        .map_or(0, |before| rows.marks[before].end);
    let range = usize::try_from(from).ok()?..usize::try_from(mark.end).ok()?;
    let alone = Rows {
        marks: vec![Mark {
            end: mark.end - from,
            ..mark
        }],
        bytes: rows.bytes.slice(range),
    };
    let mut only = Record {
        steps: Rows::default(),
        flows: Rows::default(),
        ..record.clone()
    };
    match table {
        "steps" => only.steps = alone,
        _ => only.flows = alone,
    }
    Some((only, table))
}

fn encode(
    database: Uuid,
    origin: Origin,
    record: &Record,
    table: &str,
    rejection: &Rejection,
) -> Vec<u8> {
    let app = record.app.as_ref();
    let why = Why {
        reason: rejection.invalid.sentence.clone(),
        table: table.to_owned(),
        instance: row::instance(&[&record.steps.bytes[..], &record.flows.bytes].concat())
            .to_owned(),
        user: app.map(|app| app.user.clone()),
        app: app.map(|app| app.app.clone()),
        spooled_at: record.spooled_at,
        rejected_at: now(),
    };
    let header = Header {
        format: FORMAT,
        layout: ROW_LAYOUT,
        database,
        first: origin.sequence,
        made_at: origin.made_at,
    };
    let head = codec::head(record);
    let rows = [&record.steps.bytes[..], &record.flows.bytes];
    // one row of a record that fits, fits
    let frame = Frame::around(
        Seed::from(database),
        origin.sequence,
        &[&head, rows[0], rows[1]],
    );
    let mut bytes = serde_json::to_vec(&why).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(header.encode());
    bytes.extend(frame.map(Frame::encode).unwrap_or_default());
    for piece in [&head[..], rows[0], rows[1]] {
        bytes.extend(piece);
    }
    bytes
}

/// Writes a file that is there as a whole or not at all; its directory is still to be synced.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
