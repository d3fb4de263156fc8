//! The files of the source tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file: its path under `src/` and its text.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// The slice it is part of: the first part of its path.
    pub(super) fn slice(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// Numbered lines of code, comments and doc comments left out.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..)
            .zip(self.text.lines())
            .map(|(line, text)| (line, text.split("//").next().unwrap_or_default()))
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(super) fn sources() -> Vec<Source> {
    let folder = root().join("src");
    files(&folder, "rs")
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).expect("a source file"),
            path: path
                .strip_prefix(&folder)
                .expect("under src")
                .to_str()
                .expect("a plain name")
                .to_owned(),
        })
        .collect()
}
