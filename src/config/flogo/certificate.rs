//! Certificates and keys, in files or inside the configuration.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::Engine as _;

use super::section::Section;

/// A certificate or key.
#[derive(Clone)]
pub(super) enum Certificate {
    File(PathBuf),
    /// PEM text and the name of the file it is put into.
    Inline(&'static str, Vec<u8>),
}

/// The folder under the data directory that holds certificates.
const FOLDER: &str = "flogo-config";
/// PEM text, its base64, or a path; none when empty.
pub(super) fn certificate(
    section: &mut Section,
    key: &'static str,
    file: &'static str,
) -> Result<Option<Certificate>, String> {
    let Some(value) = section.text(key)? else {
        return Ok(None);
    };
    let value = value.trim();
    Ok(Some(if value.is_empty() {
        return Ok(None);
    } else if value.starts_with("-----") {
        Certificate::Inline(file, format!("{value}\n").into_bytes())
    } else if value.starts_with("LS0tLS") {
        let packed: String = value.split_whitespace().collect();
        let text = base64::prelude::BASE64_STANDARD.decode(packed);
        let wrong = |_| format!("{} is not the base64 of a PEM text", section.name(key));
        Certificate::Inline(file, text.map_err(wrong)?)
    } else {
        Certificate::File(value.into())
    }))
}

impl Certificate {
    /// Writes the file, if it stands inside the configuration.
    pub(super) fn write(&self, data_dir: &Path) -> io::Result<()> {
        let Self::Inline(_, text) = self else {
            return Ok(());
        };
        let path = PathBuf::from(self.path(data_dir));
        put(&path, text)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Where it is, or will be under `data_dir`.
    pub(super) fn path(&self, data_dir: &Path) -> String {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Inline(file, _) => data_dir.join(FOLDER).join(file),
        };
        path.display().to_string()
    }
}

/// Puts `text` into a file of this user's alone, in one move: another server may be reading it.
fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        if let Some(data_dir) = folder.parent() {
            fs::create_dir_all(data_dir)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text)?;
    drop(file);
    fs::rename(new, path)
}
