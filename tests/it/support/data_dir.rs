//! A data directory of a service.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::watchdog::Watchdog;

/// A data directory that is removed, and its server ended, when the test ends.
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
    _watchdog: Watchdog,
}

impl DataDir {
    /// `inside` a directory of its own; nothing of it is made.
    pub(crate) fn new(inside: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = PathBuf::from(format!(
            "/tmp/flowtrail-it-embedded-{}-{number}",
            std::process::id()
        ));
        let path = root.join(inside);
        Self {
            _watchdog: Watchdog::of_server(&root, &path.join("postgres/data")),
            path,
        }
    }

    /// For `--data-dir`.
    pub(crate) fn text(&self) -> String {
        self.path.display().to_string()
    }
}
