//! A staging table: temporary, filled by COPY, merged from, and empty again when the transaction ends.
//!
//! Its rows are deleted, and it is truncated only when enough has gone through it: to truncate a
//! temporary table, as `on commit delete rows` does for all of them, costs two to ten milliseconds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio_postgres::{Client, Error, Statement};

use super::{copy::Copying, session::Session};

/// Bytes after which it is truncated: the planner takes its size on disk for the size of a batch.
const MOST_BYTES: usize = 512 << 10;

/// One of a session's staging tables.
#[derive(Debug)]
pub struct Stage {
    copy: Statement,
    delete: Statement,
    truncate: Statement,
    filled: AtomicBool,
    /// What came in since it was truncated.
    bytes: AtomicUsize,
}

impl Stage {
    /// Makes the table and prepares what is done with it.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn make(
        client: &Client,
        create: &str,
        copy: &str,
        delete: &str,
        truncate: &str,
    ) -> Result<Self, Error> {
        client.batch_execute(create).await?;
        Ok(Self {
            copy: client.prepare(copy).await?,
            delete: client.prepare(delete).await?,
            truncate: client.prepare(truncate).await?,
            filled: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
        })
    }

    /// Begins a COPY that puts `rows` in.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn fill(
        &self,
        session: &Session,
        rows: impl Iterator<Item = Bytes>,
    ) -> Result<Copying, Error> {
        self.filled.store(true, Ordering::Relaxed);
        let rows = rows.inspect(|row| {
            self.bytes.fetch_add(row.len(), Ordering::Relaxed);
        });
        let mut copying = Copying::begin(session, &self.copy).await?;
        copying.send(rows).await?;
        Ok(copying)
    }

    /// Empties it, if it was filled.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn empty(&self, client: &Client) -> Result<(), Error> {
        if !self.filled.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let emptying = if self.bytes.load(Ordering::Relaxed) < MOST_BYTES {
            &self.delete
        } else {
            self.bytes.store(0, Ordering::Relaxed);
            &self.truncate
        };
        client.execute(emptying, &[]).await?;
        Ok(())
    }
}
