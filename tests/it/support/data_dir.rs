//! A data directory of a service.

use std::{
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
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

/// Where the data directories are of services that are given none; it goes with the test process.
static ROOT: LazyLock<(PathBuf, Watchdog)> = LazyLock::new(|| {
    let root = PathBuf::from(format!("/tmp/flowtrail-it-data-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("/tmp is writable");
    let watchdog = Watchdog::new(r#"rm -rf "$1""#, &[&root.to_string_lossy()]);
    (root, watchdog)
});

/// `flags`, and unless they say where, a data directory of its own; two lanes, as on the machine that has
/// fewest. Unless they say when, batches go to the spool only after a time that no test waits: a busy
/// machine must not make a detour of a commit.
pub(super) fn with_data_dir(flags: &[&str]) -> Vec<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let given = |wanted: &[&str]| flags.iter().any(|flag| wanted.contains(flag));
    let mut all: Vec<_> = flags.iter().map(ToString::to_string).collect();
    if !given(&["--data-dir"]) {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = ROOT.0.join(number.to_string());
        all.extend(["--data-dir".into(), path.display().to_string()]);
    }
    if !given(&["--lanes"]) {
        all.extend(["--lanes".into(), "2".into()]);
    }
    if !given(&["--spool-after", "--no-spool"]) {
        all.extend(["--spool-after".into(), "1m".into()]);
    }
    all
}
