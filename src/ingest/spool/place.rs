//! The spool's directory, and the lock that makes it ours.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{Error, disk::sync_directory};

/// Tries for the lock: who only looks whether it is held has it for an instant.
const TRIES: u32 = 5;

/// The directory as long as it is ours.
#[derive(Debug)]
pub struct Place {
    _lock: File,
}

/// A service that uses a spool.
#[derive(Clone, Copy, Debug)]
pub struct Occupant {
    /// Its process id, if it says so.
    pub pid: Option<u32>,
}

impl Place {
    /// Makes the directory if it is missing and takes its lock.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        make(dir)?;
        let path = dir.join("lock");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(at("open", &path))?;
        for left in (0..TRIES).rev() {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if left > 0 => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse {
                        dir: dir.to_owned(),
                        pid: pid(&mut lock),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
            }
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(at("write", &path))?;
        Ok(Self { _lock: lock })
    }

    /// The service that has the lock now, if any.
    pub fn occupant(dir: &Path) -> Result<Option<Occupant>, Error> {
        let path = dir.join("lock");
        let mut lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at("open", &path)(error)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(Occupant {
                pid: pid(&mut lock),
            })),
            Err(TryLockError::Error(source)) => Err(at("lock", &path)(source)),
        }
    }
}

fn pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    // only to name the other one; not being able to is no further failure
    let _ = lock.read_to_string(&mut text);
    text.trim().parse().ok()
}

/// A directory that only we can enter, made if it is missing, and there after a crash.
pub fn make(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(at("make", dir))?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    sync_directory(parent).map_err(at("sync", parent))
}

/// The files of a directory whose names end in `extension`, in the order of their names; none when
/// there is no such directory.
pub fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("list", dir)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(at("list", dir))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// An [`Error::Disk`] that says what was being done with what.
pub fn at(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Disk {
        doing,
        path: path.clone(),
        source,
    }
}
