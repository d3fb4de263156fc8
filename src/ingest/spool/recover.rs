//! What an earlier process left: judged first, and only then touched.

use std::{fs, path::Path};

use uuid::Uuid;

use super::{
    Error, Options,
    disk::sync_directory,
    format::Header,
    inspect::{Inspected, inspect},
    place::{at, files},
    quarantine,
    state::{Segment, State},
};

/// Reads every segment, checks that all are ours to read, cuts a torn tail and puts damage aside.
pub fn recover(options: &Options) -> Result<State, Error> {
    let dir = &options.dir;
    let mut found = Vec::new();
    for path in files(dir, "segment")? {
        found.push(inspect(&path, Some(options.database)).map_err(at("read", &path))?);
    }
    refuse_newer(&found)?;
    refuse_foreign(&found, options)?;
    found.sort_by_key(|segment| (segment.first, segment.made_at));

    let mut state = State {
        rejected_kept: files(&dir.join("rejected"), "row")?.len() as u64,
        ..State::default()
    };
    let newest = found.iter().rposition(|segment| !segment.is_blank());
    let mut next = None;
    for (place, mut segment) in found.into_iter().enumerate() {
        if segment.is_blank() {
            remove(&segment.path)?;
            continue;
        }
        gap(next, &segment, &mut state);
        next = next.max(Some(segment.next));
        settle(dir, &mut segment, Some(place) == newest, &mut state)?;
    }
    if state.records > 0 {
        tracing::warn!(
            events = state.events,
            records = state.records,
            segments = state.segments.len(),
            "the spool holds events of an earlier run; they are written to the database now"
        );
    }
    Ok(state)
}

fn refuse_newer(found: &[Inspected]) -> Result<(), Error> {
    for segment in found {
        let newer = segment.header.as_ref().and_then(Header::newer);
        if let Some((found, known)) = newer {
            return Err(Error::Newer {
                file: segment.path.clone(),
                found,
                known,
            });
        }
    }
    Ok(())
}

fn refuse_foreign(found: &[Inspected], options: &Options) -> Result<(), Error> {
    let of = |segment: &Inspected| -> Option<Uuid> {
        let database = segment.header.as_ref()?.database;
        (database != options.database && segment.records > 0).then_some(database)
    };
    let Some(other) = found.iter().find_map(of) else {
        return Ok(());
    };
    let theirs = found.iter().filter(|segment| of(segment) == Some(other));
    Err(Error::Foreign {
        dir: options.dir.clone(),
        events: theirs.map(|segment| segment.events).sum(),
        found: other,
        wanted: options.database,
    })
}

/// Says so when records are missing between the segments before and this one.
fn gap(next: Option<u64>, segment: &Inspected, state: &mut State) {
    let Some(missing) = next.filter(|next| *next < segment.first) else {
        return;
    };
    state.quarantined += 1;
    tracing::error!(
        file = %segment.path.display(),
        first_sequence = missing,
        records = segment.first - missing,
        "the spool is damaged: these records, from before this segment, are missing"
    );
}

/// Cuts or puts aside what is not healthy; what is becomes part of the state.
fn settle(
    dir: &Path,
    segment: &mut Inspected,
    newest: bool,
    state: &mut State,
) -> Result<(), Error> {
    segment.judge_rest(newest);
    let path = &segment.path;
    if segment.damage.is_empty() {
        if segment.rest > 0 {
            tracing::warn!(
                file = %path.display(),
                offset = segment.end,
                bytes = segment.rest,
                "the spool's last write was interrupted; nobody was told that it was kept, it is cut"
            );
        }
        if segment.bytes > segment.end {
            cut(path, segment.end)?;
        }
    } else {
        state.quarantined += segment.damage.len() as u64;
        quarantine::keep(dir, path, segment.first, segment.made_at, &segment.damage)?;
    }
    if segment.records == 0 {
        return remove(path);
    }
    state.records += segment.records;
    state.events += segment.events;
    state.oldest_at = match (state.oldest_at, segment.oldest_at) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let bytes = fs::metadata(path).map_err(at("read", path))?.len();
    state.segments.push(Segment {
        id: state.segments.len() as u64,
        path: path.clone(),
        made_at: segment.made_at,
        first: segment.first,
        next: segment.next,
        end: segment.end,
        closed: true,
        bytes,
        records: segment.records,
        events: segment.events,
        damaged_at: segment.damage.iter().map(|d| d.bytes.start).collect(),
    });
    Ok(())
}

fn cut(path: &Path, end: u64) -> Result<(), Error> {
    let cut = || {
        let file = fs::File::options().write(true).open(path)?;
        file.set_len(end)?;
        file.sync_all()
    };
    cut().map_err(at("cut", path))
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(at("delete", path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    sync_directory(dir).map_err(at("sync", dir))
}
