//! Damage: said loudly, and the file it is in kept as it is.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    Error,
    disk::sync_directory,
    place::{at, make},
    scan::Damage,
};

/// Keeps a damaged segment in `quarantined/`, under a name that no other life of the spool uses, and
/// logs each stretch. The file stays where it is, too: its healthy records are still to be given.
pub fn keep(
    dir: &Path,
    segment: &Path,
    first: u64,
    made_at: i64,
    damage: &[Damage],
) -> Result<(), Error> {
    let kept = link(dir, segment, &format!("{first:020}-{made_at:016x}"))?;
    for Damage { bytes, sequences } in damage {
        let lost = sequences.end.saturating_sub(sequences.start);
        tracing::error!(
            file = %segment.display(),
            offset = bytes.start,
            bytes = bytes.end - bytes.start,
            first_sequence = sequences.start,
            records = lost,
            kept = %kept.display(),
            "the spool is damaged: these records cannot be read; the others are still written to \
             the database, and the file is kept for repair"
        );
    }
    Ok(())
}

/// The file once more in `quarantined/`: a hard link, or a copy where there are none.
pub fn link(dir: &Path, file: &Path, name: &str) -> Result<PathBuf, Error> {
    let folder = dir.join("quarantined");
    make(&folder)?;
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    for number in 1_u32.. {
        let kept = match number {
            1 => folder.join(format!("{name}.{extension}")),
            _ => folder.join(format!("{name}-{number}.{extension}")),
        };
        match fs::hard_link(file, &kept) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if same(file, &kept).map_err(at("compare", &kept))? {
                    return Ok(kept);
                }
                continue;
            }
            Err(_) => copy(file, &kept).map_err(at("keep", &kept))?,
        }
        sync_directory(&folder).map_err(at("sync", &folder))?;
        return Ok(kept);
    }
    Ok(folder)
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::metadata(one)?, fs::metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}
