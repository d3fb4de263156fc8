//! A look at a spool, for operators: reads and changes nothing, also while a service uses it.

use std::{
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    Error, Rejected,
    inspect::{header, inspect},
    place::{Occupant, Place, at, files},
    rejected::rejected,
    retry::waiting,
    scan::Damage,
};

/// What a spool's directory holds.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Whether a service uses it now.
    pub in_use: bool,
    /// That service's process id, if it says so.
    pub pid: Option<u32>,
    /// Segments, in the order in which they are read.
    pub segments: Vec<Surveyed>,
    /// Segments and rows put aside as damaged.
    pub quarantined: Vec<PathBuf>,
    /// Rows that the database refused, oldest first.
    pub rejected: Vec<Rejected>,
    /// Rows that wait to be tried again.
    pub retried: usize,
}

/// A segment.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// Its file.
    pub file: PathBuf,
    /// Bytes of it, preallocated ones included.
    pub bytes: u64,
    /// Its format; none where its header is damaged.
    pub format: Option<u16>,
    /// The layout of its rows; none where its header is damaged.
    pub layout: Option<u16>,
    /// The database it is for; none where its header is damaged.
    pub database: Option<Uuid>,
    /// A newer program wrote it: nothing of what follows is known.
    pub newer: bool,
    /// Sequence of its first record.
    pub first: u64,
    /// Healthy records.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// When the oldest of them was handed over, µs since 1970.
    pub oldest_at: Option<i64>,
    /// When the newest of them was.
    pub newest_at: Option<i64>,
    /// What is damaged in it.
    pub damage: Vec<Damage>,
    /// Position behind its last healthy record.
    pub end: u64,
    /// Bytes behind that which are not a record: in the last segment a write that was interrupted,
    /// or is under way.
    pub torn: u64,
}

/// Looks at the spool in `dir`: reads every record and checks its CRC. A directory that is not there
/// is an empty spool.
///
/// # Errors
/// When something cannot be read.
pub fn survey(dir: &Path) -> Result<Survey, Error> {
    let occupant = Place::occupant(dir)?;
    let mut survey = Survey {
        in_use: occupant.is_some(),
        pid: occupant.and_then(|occupant| occupant.pid),
        rejected: rejected(dir)?,
        retried: waiting(dir)?,
        ..Survey::default()
    };
    for extension in ["segment", "row"] {
        let found = files(&dir.join("quarantined"), extension)?;
        survey.quarantined.extend(found);
    }
    let paths = files(dir, "segment")?;
    // records behind a damaged header are checked as those of the other segments
    let mut database = None;
    for path in &paths {
        let found = present(header(path)).map_err(at("read", path))?;
        let found = found.and_then(|(_, header)| header);
        database = database.or(found.map(|header| header.database));
    }
    let mut found = Vec::new();
    for path in &paths {
        found.extend(present(inspect(path, database)).map_err(at("read", path))?);
    }
    found.sort_by_key(|segment| (segment.first, segment.made_at));
    let newest = found.iter().rposition(|segment| !segment.is_blank());
    for (place, mut segment) in found.into_iter().enumerate() {
        segment.judge_rest(Some(place) == newest);
        let header = segment.header.as_ref();
        survey.segments.push(Surveyed {
            format: header.map(|header| header.format),
            layout: header.map(|header| header.layout),
            database: header.map(|header| header.database),
            newer: header.is_some_and(|header| header.newer().is_some()),
            file: segment.path,
            bytes: segment.bytes,
            first: segment.first,
            records: segment.records,
            events: segment.events,
            oldest_at: segment.oldest_at,
            newest_at: segment.newest_at,
            damage: segment.damage,
            end: segment.end,
            torn: segment.rest,
        });
    }
    Ok(survey)
}

/// Who uses the spool in `dir` now.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn occupant(dir: &Path) -> Result<Option<Occupant>, Error> {
    Place::occupant(dir)
}

/// None of a file that was deleted meanwhile.
fn present<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
