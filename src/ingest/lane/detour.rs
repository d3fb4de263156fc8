//! The way of a batch into the spool.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    batch::{Batch, Fate},
    bisect::Bisect,
};
use crate::ingest::spool::{Refused, Spool};

/// Where batches go that are not committed in time.
#[derive(Clone, Debug)]
pub struct Detour {
    spool: Spool,
    /// That time.
    pub after: Duration,
}

impl From<(Spool, Duration)> for Detour {
    fn from((spool, after): (Spool, Duration)) -> Self {
        Self { spool, after }
    }
}

impl Detour {
    /// Whether anything in the spool is not in the tables yet.
    pub fn holds_any(&self) -> bool {
        self.spool.pending() > 0
    }

    /// Brings the rows of `batch` that `work` still has into the spool; true when every row is
    /// decided by that. `tried` means that some of them may be in the tables already.
    pub async fn take(&self, batch: &mut Batch, work: &mut Bisect, tried: bool) -> bool {
        let records = batch.records(work.rest(), now(), tried);
        if !records.is_empty() {
            match self.spool.append(records).await {
                Ok(()) => {}
                Err(refused) => {
                    if refused != Refused::Closed {
                        tracing::debug!(%refused, "a batch waits for the database");
                    }
                    return false;
                }
            }
        }
        for rows in work.rest() {
            for row in rows.clone() {
                batch.note(row, Fate::Spooled);
            }
        }
        work.leave();
        for (row, cause) in work.refused() {
            batch.note(*row, Fate::Refused(cause.code.clone()));
        }
        true
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
