//! What the writer does with files, in one place: tests let these fail.

use std::{
    fs::File,
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::{fs::FallocateFlags, io::Errno};

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    #[cfg(test)]
    pub faults: std::sync::Arc<super::tests::Faults>,
}

impl Disk {
    /// A new file, ours alone, with this many bytes set aside. A file that could not be made is not
    /// left behind.
    pub fn create(&self, path: &Path, bytes: u64) -> io::Result<File> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        if let Err(error) = self.allocate(&file, bytes) {
            // what made it fail is said; this would fail for the same reason
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(file)
    }

    /// Sets bytes aside, or where the file system cannot, makes the file that long.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests let it fail"))]
    pub fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.space()?;
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(bytes),
            other => Ok(other?),
        }
    }

    /// Writes all of `pieces` from position `at` on.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests let it fail"))]
    pub fn write(&self, mut file: &File, at: u64, mut pieces: &mut [IoSlice]) -> io::Result<()> {
        file.seek(SeekFrom::Start(at))?;
        #[cfg(test)]
        if let Err(error) = self.faults.space() {
            // like a full disk: some of it is written
            file.write_all(pieces.first().map_or(&[], |piece| piece))?;
            return Err(error);
        }
        while !pieces.is_empty() {
            match file.write_vectored(pieces) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut pieces, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns when everything written is on disk. After a failure nobody knows what is.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests let it fail"))]
    pub fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults.sync()?;
        file.sync_data()
    }
}

/// Returns when what was made, renamed or removed in a directory is on disk.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
