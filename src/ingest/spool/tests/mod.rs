//! The spool against a model, a broken disk and broken files.

mod disk;
mod files;
mod framing;
mod model;
mod order;
mod rows;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Disk, Error, Options, Reader, Record, Spool};
use crate::{
    event::App,
    ingest::queue::{Mark, Registration, Rows},
};

/// What the disk does not do.
#[derive(Debug, Default)]
pub struct Faults {
    full: AtomicBool,
    unsynced: AtomicBool,
}

impl Faults {
    /// Fails while the disk is full.
    pub fn space(&self) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Fails once after it was told to.
    pub fn sync(&self) -> io::Result<()> {
        if self.unsynced.swap(false, Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    }
}

const OURS: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef);

/// Options of a small spool in a directory that is removed in the end.
fn options(dir: &TempDir) -> Options {
    Options {
        dir: dir.path().join("spool"),
        limit_bytes: 1 << 20,
        segment_bytes: 4096,
        database: OURS,
    }
}

fn open(options: &Options) -> (Spool, Reader) {
    Spool::open(options.clone()).expect("a spool that opens")
}

/// A record of so many rows of `steps` with `bytes` bytes each, told apart by `number`.
fn record(number: u8, rows: u32, bytes: u32) -> Record {
    let marks = (0..rows).map(|index| Mark {
        end: (index + 1) * bytes,
        index,
        complete_only: false,
    });
    Record {
        spooled_at: super::state::now(),
        resent: number.is_multiple_of(2),
        registration: number.is_multiple_of(3).then(|| Registration {
            user: "user".into(),
            app: format!("app {number}"),
            version: "1".into(),
        }),
        app: Some(Arc::new(App {
            user: "user".into(),
            app: "app".into(),
        })),
        steps: Rows {
            bytes: vec![number; (rows * bytes) as usize].into(),
            marks: marks.collect(),
        },
        ..Record::default()
    }
}

/// The next record, which has to come soon.
async fn next(reader: &mut Reader) -> (u64, Record) {
    let next = timeout(Duration::from_secs(20), reader.next()).await;
    next.expect("a record is there").expect("a healthy disk")
}

/// Everything that is not finished, when nothing was given yet.
async fn rest(spool: &Spool, reader: &mut Reader) -> Vec<(u64, Record)> {
    let mut records = Vec::new();
    let wanted = spool.status().records;
    while (records.len() as u64) < wanted {
        records.push(next(reader).await);
    }
    records
}

/// The segments in a directory.
fn segments(options: &Options) -> Vec<PathBuf> {
    super::place::files(&options.dir, "segment").expect("a directory")
}

/// Number of files in a folder of the spool.
fn count(options: &Options, folder: &str) -> usize {
    fs::read_dir(options.dir.join(folder)).map_or(0, Iterator::count)
}

/// Writes a file of the spool as it is given.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file that can be written");
}
