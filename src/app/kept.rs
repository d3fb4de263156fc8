//! What is kept of the database for a start without it: `DATA_DIR/kept.json`.
//!
//! Which database it was, the version of its schema, and the toggles as they were read last. It is
//! replaced as a whole; whoever reads it finds an old one or a new one.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::control::{self, Toggles};

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) database_id: Uuid,
    pub(super) schema_version: i32,
    apps: Vec<App>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct App {
    user: String,
    #[serde(rename = "app")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

impl Kept {
    pub(super) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("kept.json")
    }

    pub(super) fn new(database_id: Uuid, schema_version: i32, apps: Vec<control::App>) -> Self {
        let apps = apps.into_iter().map(|app| App {
            user: app.user,
            name: app.app,
            version: app.version,
            enabled: app.decision,
        });
        Self {
            database_id,
            schema_version,
            apps: apps.collect(),
        }
    }

    /// What an earlier run kept; none when there is no file.
    pub(super) fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(Self::path(data_dir)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, data_dir: &Path) -> io::Result<()> {
        let (path, fresh) = (Self::path(data_dir), data_dir.join("kept.json.new"));
        fs::create_dir_all(data_dir)?;
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(data_dir)?.sync_all()
    }

    /// The toggles as they were.
    pub(super) fn apps(&self) -> impl Iterator<Item = control::App> {
        self.apps.iter().map(|app| control::App {
            user: app.user.clone(),
            app: app.name.clone(),
            version: app.version.clone(),
            decision: app.enabled,
        })
    }
}

/// Keeps the toggles whenever they change, until `end`.
pub(super) async fn keep(
    mut kept: Kept,
    data_dir: PathBuf,
    toggles: Toggles,
    end: CancellationToken,
) {
    let mut changes = toggles.changes();
    let following = async {
        while changes.changed().await.is_ok() {
            kept = Kept::new(kept.database_id, kept.schema_version, toggles.apps());
            let (now, data_dir) = (kept.clone(), data_dir.clone());
            let written = tokio::task::spawn_blocking(move || now.write(&data_dir)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the toggles could not be kept for a start without the database");
            }
        }
    };
    end.run_until_cancelled(following).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let data_dir = directory.path().join("data");
        assert_eq!(Kept::read(&data_dir).expect("nothing"), None);
        let app = |name: &str, decision| control::App {
            user: "acme".into(),
            app: name.into(),
            version: None,
            decision,
        };
        let apps = vec![app("orders", Some(false)), app("bills", None)];
        for version in [4, 5] {
            let kept = Kept::new(Uuid::from_u128(7), version, apps.clone());
            kept.write(&data_dir).expect("written");
            let read = Kept::read(&data_dir).expect("read").expect("kept");
            assert_eq!(read, kept);
            assert_eq!(read.apps().collect::<Vec<_>>(), apps);
        }
        fs::write(Kept::path(&data_dir), "{").expect("written");
        Kept::read(&data_dir).expect_err("half a file");
    }
}
