//! Remembers starts that were skipped and came over REST, so that steps of their instances are
//! skipped on every server, whether they ask this one or not.
//!
//! One loop writes what has come by then in one statement: group commit. While the database is away
//! it holds what it has and tries again. The table forgets after a day (`sweep`).

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_postgres::types::{ToSql, Type};
use tokio_util::sync::CancellationToken;

use super::ticket::Lost;
use crate::{
    event::App,
    pg::{self, Pool, Retry},
};

const NOTE: &str = include_str!("../../sql/ingest/skipped_note.sql");

/// Notes that one statement writes, and that may wait for it.
const NOTES: usize = 1_000;
/// How long a statement may take, and the pause before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);

/// Cheap handle.
#[derive(Clone, Debug)]
pub struct Skipped {
    notes: mpsc::Sender<Note>,
}

/// The loop that writes.
#[derive(Debug)]
pub struct Writer {
    pool: Pool,
    notes: mpsc::Receiver<Note>,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Note {
    instance: String,
    app: Arc<App>,
    written: oneshot::Sender<()>,
}

/// Notes written through `pool`, by the loop to run. Once `stopping` is cancelled what cannot be
/// written is not tried again.
pub fn skipped(pool: Pool, stopping: CancellationToken) -> (Skipped, Writer) {
    let (sender, notes) = mpsc::channel(NOTES);
    let writer = Writer {
        pool,
        notes,
        stopping,
    };
    (Skipped { notes: sender }, writer)
}

impl Skipped {
    /// Notes that the start of `instance` was skipped; returns when that is committed, however long
    /// the database is away.
    ///
    /// # Errors
    /// [`Lost`] when the process stops first.
    pub async fn note(&self, instance: String, app: Arc<App>) -> Result<(), Lost> {
        let (written, committed) = oneshot::channel();
        let note = Note {
            instance,
            app,
            written,
        };
        self.notes.send(note).await.map_err(|_| Lost)?;
        committed.await.map_err(|_| Lost)
    }
}

impl Writer {
    /// Writes until nobody can note any more.
    pub async fn run(mut self) {
        let mut notes = Vec::new();
        while self.notes.recv_many(&mut notes, NOTES).await > 0 {
            let written = self.persist(&notes).await;
            for note in notes.drain(..).filter(|_| written) {
                // Who noted it may have gone.
                let _ = note.written.send(());
            }
        }
    }

    /// Tries until the notes are written; false when that is given up.
    async fn persist(&self, notes: &[Note]) -> bool {
        let mut failing = false;
        loop {
            let (error, retry) = match timeout(PATIENCE, write(&self.pool, notes)).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => (error.to_string(), error.retry()),
                Err(_) => ("no answer".to_owned(), Retry::Backoff),
            };
            if retry == Retry::Never || self.stopping.is_cancelled() {
                tracing::error!(error, notes = notes.len(), "skipped starts are not noted");
                return false;
            }
            if !failing {
                tracing::warn!(error, "skipped starts cannot be noted; tried again");
                failing = true;
            }
            self.stopping.run_until_cancelled(sleep(PAUSE)).await;
        }
    }
}

async fn write(pool: &Pool, notes: &[Note]) -> Result<(), pg::Error> {
    let column = |text: fn(&Note) -> &str| notes.iter().map(text).collect::<Vec<_>>();
    let instances = column(|note| &note.instance);
    let users = column(|note| &note.app.user);
    let apps = column(|note| &note.app.app);
    let columns: [(&(dyn ToSql + Sync), Type); 3] = [
        (&instances, Type::TEXT_ARRAY),
        (&users, Type::TEXT_ARRAY),
        (&apps, Type::TEXT_ARRAY),
    ];
    let client = pool.get().await.map_err(pg::Error::from)?;
    client.query_typed(NOTE, &columns).await?;
    Ok(())
}
