//! Rejected rows that are to be tried again: moved to `retry/` by whoever wants it, appended to the
//! log by the writer.

use std::{fs, io, path::Path};

use super::{
    Error, Refused,
    disk::sync_directory,
    place::{at, files, make},
    quarantine, rejected,
    state::now,
    writer::Writer,
};

/// What the name of a row ends in while it is being appended.
const TAKEN: &str = "taken";
/// Bytes of records that are appended together.
const TOGETHER: usize = 16 << 20;

/// Moves rows from `rejected/` to `retry/`. A service that uses the spool takes them up within
/// seconds, else the next one does. Answers with the names that are not there.
///
/// # Errors
/// When one cannot be moved.
pub fn retry(dir: &Path, names: &[String]) -> Result<Vec<String>, Error> {
    let (from, to) = (dir.join("rejected"), dir.join("retry"));
    let mut missing = Vec::new();
    for name in names {
        // a name, not a way to somewhere else
        let plain = Path::new(name)
            .file_name()
            .is_some_and(|plain| plain == name.as_str());
        let file = format!("{name}.row");
        if !plain || !from.join(&file).exists() {
            missing.push(name.clone());
            continue;
        }
        make(&to)?;
        let moved = fs::rename(from.join(&file), to.join(&file));
        moved.map_err(at("move to retry/", &from.join(&file)))?;
    }
    for folder in [to, from] {
        if folder.is_dir() {
            sync_directory(&folder).map_err(at("sync", &folder))?;
        }
    }
    Ok(missing)
}

/// How many rows wait in `retry/`, those that are being appended among them.
///
/// # Errors
/// When the directory cannot be read.
pub fn waiting(dir: &Path) -> Result<usize, Error> {
    let folder = dir.join("retry");
    // in this order: a row on its way from the one to the other is seen, perhaps twice
    let (rows, taken) = (files(&folder, "row")?, files(&folder, TAKEN)?);
    Ok(rows.len() + taken.len())
}

/// Appends what is in `retry/`, and counts what is in `rejected/`.
pub(super) fn take_up(writer: &mut Writer) {
    let dir = writer.shared().options.dir.clone();
    let rejected = dir.join("rejected");
    let changed_at = fs::metadata(&rejected)
        .and_then(|found| found.modified())
        .ok();
    if writer.rejected_at != changed_at {
        match files(&rejected, "row") {
            Ok(kept) => writer.shared().state().rejected_kept = kept.len() as u64,
            Err(error) => tracing::warn!(%error, "cannot count rejected rows"),
        }
        writer.rejected_at = changed_at;
    }
    if let Err(error) = append(writer, &dir) {
        tracing::warn!(%error, "cannot take up rejected rows again");
    }
}

fn append(writer: &mut Writer, dir: &Path) -> Result<(), Error> {
    let folder = dir.join("retry");
    // A crash left them: they may be in the log, where a second time does no harm.
    for taken in files(&folder, TAKEN)? {
        rename(&taken, &taken.with_extension("row"))?;
    }
    let mut left = files(&folder, "row")?.into_iter().peekable();
    let mut total = 0;
    while left.peek().is_some() {
        let (mut paths, mut records, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(path) = left.next_if(|_| bytes < TOGETHER) {
            match rejected::read(&path)? {
                Some((_, database, mut record)) if database == writer.shared().options.database => {
                    record.spooled_at = now();
                    bytes += record.bytes();
                    records.push(record);
                    paths.push(path);
                }
                found => {
                    let what = match found {
                        Some(_) => "it is for another database",
                        None => "its file is damaged",
                    };
                    tracing::error!(file = %path.display(), "a rejected row cannot be tried again: {what}");
                    let name = path.file_stem().unwrap_or_default().to_string_lossy();
                    quarantine::link(dir, &path, &name)?;
                    fs::remove_file(&path).map_err(at("delete", &path))?;
                }
            }
        }
        // Once appended a row may be refused again, and moved here again under its name, before we
        // have deleted anything.
        for path in &paths {
            rename(path, &path.with_extension(TAKEN))?;
        }
        let events = records.len();
        match writer.keep(records) {
            Ok(()) => {}
            // later, then
            Err(Refused::Full) => return Ok(()),
            Err(refused) => return Err(at("append", &folder)(io::Error::other(refused))),
        }
        for path in &paths {
            let taken = path.with_extension(TAKEN);
            fs::remove_file(&taken).map_err(at("delete", &taken))?;
        }
        sync_directory(&folder).map_err(at("sync", &folder))?;
        total += events;
    }
    if total > 0 {
        tracing::info!(rows = total, "rejected rows are tried again");
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(at("rename", from))
}
