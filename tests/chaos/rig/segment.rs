//! Files of the spool, as far as one must know them to damage them.
//!
//! A header of 64 bytes, then records behind frames of 16 bytes: length, sequence, CRC. Zeros are
//! the end.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const HEADER: usize = 64;
const FRAME: usize = 16;

/// A segment and where its records are.
pub(crate) struct Segment {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Frame and payload of each.
    pub(crate) records: Vec<Range<u64>>,
}

impl Segment {
    /// The segments in `directory` that hold a record, in order.
    pub(crate) fn all(directory: &Path) -> Result<Vec<Self>, String> {
        let mut segments = Vec::new();
        for path in Self::paths(directory) {
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let records = records(&bytes);
            segments.push(Self {
                path,
                bytes,
                records,
            });
        }
        segments.retain(|segment| !segment.records.is_empty());
        Ok(segments)
    }

    /// The files of segments in `directory`, in order.
    pub(crate) fn paths(directory: &Path) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "segment"));
        paths.sort();
        paths
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.bytes[..HEADER]
    }

    /// Behind the last record.
    pub(crate) fn end(&self) -> u64 {
        self.records.last().map_or(0, |record| record.end)
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        let at = self.records.last().map_or(0, |record| record.start);
        let at = usize::try_from(at).expect("in memory") + 4;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    pub(crate) fn byte(&self, at: u64) -> u8 {
        self.bytes[usize::try_from(at).expect("in memory")]
    }

    /// Writes into the file.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), String> {
        let write = || {
            File::options()
                .write(true)
                .open(&self.path)?
                .write_all_at(bytes, at)
        };
        write().map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Moves the file to `directory`.
    pub(crate) fn move_to(&self, directory: &Path) -> Result<(), String> {
        let name = self.path.file_name().expect("a file");
        fs::rename(&self.path, directory.join(name)).map_err(|error| error.to_string())
    }
}

fn records(bytes: &[u8]) -> Vec<Range<u64>> {
    let mut records = Vec::new();
    let mut at = HEADER;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let end = at + FRAME + usize::try_from(length).expect("in memory");
        if length == 0 || end > bytes.len() {
            break;
        }
        let place = |at| u64::try_from(at).expect("a file's length");
        records.push(place(at)..place(end));
        at = end;
    }
    records
}
