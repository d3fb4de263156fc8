//! Deletion: an instance goes with every attempt, step and copy, and for a day what happened to it
//! before is dropped when it comes late (a cut of kind `deleted`, which the merge honours).
//!
//! - Everything that this server took before is written first, so that it is deleted too. While it
//!   is in the spool nothing is deleted or cut.
//! - A writer that has not seen the mark, because its transaction is older, may store something
//!   again: the sweep deletes that within a second ([`leftovers`]).
//! - What other instances say stays: a rerun goes on naming an original that is gone. An original
//!   loses the deleted rerun from its count.
//! - An app that was off when the instance began stays known (`flowtrail.skipped_instances`), or
//!   further steps of it would be recorded.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_postgres::{Client, Row, error::SqlState, types::Type};

use super::{cut, lane::attempts, queue::Intake};
use crate::{
    event::{self, Micros},
    pg::{self, Pool},
    status::{Code, Status},
};

/// How long events that were taken before may need to be written.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer is waited for. `--statement-timeout` ends each slow statement before; this is
/// for a line that fell silent.
const ANSWER: Duration = Duration::from_mins(2);
/// How often it is tried when it meets writers that locked the same rows in another order.
const TRIES: usize = 5;

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../sql/ingest/", $name, ".sql"))
    };
}

/// What was deleted of an instance, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Attempts: starts in place.
    pub attempts: u64,
    /// Steps and copies of steps.
    pub steps: u64,
}

/// Why nothing was deleted or cut.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Events taken before are not written yet.
    #[error("events of this instance wait to be written; try again when they are")]
    Unsettled,
    /// So many events are in the spool; those of this instance would come after the deletion or
    /// the cut.
    #[error("{}", Status::pending(*.0))]
    Pending(u64),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] pg::Error),
}

impl Error {
    /// What a caller is told. Failures of the database are logged here, as callers see none of
    /// their text.
    pub fn status(&self) -> Status {
        let error = match self {
            Self::Unsettled => return Status::unavailable(self.to_string()),
            Self::Pending(events) => return Status::pending(*events),
            Self::Database(error) => error,
        };
        tracing::warn!(%error, "nothing was deleted");
        match error.retry() {
            pg::Retry::Backoff => Status::unavailable(
                "the database cannot do this now; nothing was deleted, try again",
            ),
            pg::Retry::AfterFix(_) | pg::Retry::Never => Status::new(
                Code::Internal,
                "the database refused the statement; the server's log says why",
            ),
        }
    }
}

/// Events in the spool.
type Pending = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Deletes instances and steps; cheap to clone. Holds the way in open, as an edge does.
#[derive(Clone)]
pub struct Eraser {
    pool: Pool,
    intake: Intake,
    pending: Pending,
}

impl fmt::Debug for Eraser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eraser").finish_non_exhaustive()
    }
}

impl Eraser {
    /// For what `intake` takes and the database of `pool` holds.
    pub fn new(pool: Pool, intake: Intake) -> Self {
        let pending: Pending = Arc::new(|| 0);
        Self {
            pool,
            intake,
            pending,
        }
    }

    /// The same, where `pending` events that were taken are in the spool.
    #[must_use]
    pub fn with_pending(self, pending: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let pending = Arc::new(pending);
        Self { pending, ..self }
    }

    /// Deletes an instance; none when nothing of it is stored, or when `user` is given and it is
    /// another's.
    ///
    /// # Errors
    /// When the database or a lane does not answer; nothing is deleted then.
    pub async fn delete(
        &self,
        instance: &str,
        user: Option<&str>,
    ) -> Result<Option<Deleted>, Error> {
        if event::text("instance", instance.as_bytes()).is_err() {
            return Ok(None);
        }
        self.settled(instance).await?;
        again(&self.pool, || delete(&self.pool, instance, user)).await
    }

    /// Cuts an instance from step `from` on, for a rerun asked for at `asked_at`. False when `user`
    /// is given and the instance is another's. One that is not stored is not cut.
    ///
    /// # Errors
    /// When the database or a lane does not answer; nothing is cut then.
    pub async fn cut(
        &self,
        instance: &str,
        from: u32,
        asked_at: Micros,
        user: Option<&str>,
    ) -> Result<bool, Error> {
        if event::text("instance", instance.as_bytes()).is_err() {
            return Ok(true);
        }
        self.settled(instance).await?;
        let owner = {
            let client = self.pool.get().await.map_err(pg::Error::from)?;
            let owner = timeout(ANSWER, owner(&client, instance)).await;
            let owner = owner.map_err(|_| pg::Error::Silent(ANSWER))?;
            owner.map_err(pg::Error::from)?
        };
        match owner {
            Some(owner) if differs(owner.as_deref(), user) => Ok(false),
            None => Ok(true),
            Some(_) => {
                again(&self.pool, || {
                    cut::make(&self.pool, instance, from, asked_at)
                })
                .await?;
                Ok(true)
            }
        }
    }

    async fn settled(&self, instance: &str) -> Result<(), Error> {
        self.complete()?;
        let settled = self.intake.settled(instance, PATIENCE).await;
        settled.map_err(|_| Error::Unsettled)?;
        // what was waited for may have gone to the spool
        self.complete()
    }

    fn complete(&self) -> Result<(), Error> {
        match (self.pending)() {
            0 => Ok(()),
            events => Err(Error::Pending(events)),
        }
    }
}

/// Does `work`, again after a deadlock.
async fn again<T, F>(pool: &Pool, work: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, pg::Error>>,
{
    let mut tries = 1;
    loop {
        let outcome = timeout(ANSWER, work()).await;
        match outcome.unwrap_or(Err(pg::Error::Silent(ANSWER))) {
            Err(pg::Error::Statement(error))
                if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED) && tries < TRIES =>
            {
                tries += 1;
            }
            outcome => {
                return outcome.map_err(|error| {
                    if let pg::Error::Statement(error) = &error {
                        pg::leave(pool, error);
                    }
                    error.into()
                });
            }
        }
    }
}

/// One transaction; what it began is rolled back when there was nothing to delete.
async fn delete(
    pool: &Pool,
    instance: &str,
    user: Option<&str>,
) -> Result<Option<Deleted>, pg::Error> {
    let mut client = pool.get().await.map_err(pg::Error::from)?;
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let instances = vec![instance.to_owned()];
    of(client, sql!("erase_lock"), &instances).await?;
    let owner = owner(client, instance).await?;
    if owner.is_some_and(|owner| differs(owner.as_deref(), user)) {
        return Ok(None);
    }
    let mark = sql!("erase_mark");
    client.query_typed(mark, &[(&instance, Type::TEXT)]).await?;
    let deleted = erase(client, &instances, true).await?;
    if deleted == Deleted::default() {
        return Ok(None);
    }
    transaction.commit().await?;
    Ok(Some(deleted))
}

/// Deletes what writers have stored of deleted instances that had not seen the deletion. The
/// transaction is the caller's.
///
/// # Errors
/// What the database did instead.
pub(super) async fn leftovers(
    client: &Client,
    instances: &Vec<String>,
) -> Result<(), tokio_postgres::Error> {
    of(client, sql!("erase_lock"), instances).await?;
    erase(client, instances, false).await?;
    Ok(())
}

/// Deletes all of these instances, which are marked, or what began before their deletion. Locks in
/// the order in which lanes do: marks, steps, instances with their originals.
async fn erase(
    client: &Client,
    instances: &Vec<String>,
    all: bool,
) -> Result<Deleted, tokio_postgres::Error> {
    let what = async |sql| {
        let given = [(instances as _, Type::TEXT_ARRAY), (&all as _, Type::BOOL)];
        client.query_typed(sql, &given).await
    };
    let number = |rows: &[Row]| rows.iter().map(|row| row.get::<_, i64>(0)).sum::<i64>();
    let mut steps = number(&what(sql!("erase_steps")).await?);
    let named = lock(client, instances).await?;
    // those of a writer that was waited for
    steps += number(&what(sql!("erase_steps")).await?);
    let apart = number(&what(sql!("erase_attempts")).await?);
    let flows = number(&what(sql!("erase_flows")).await?);
    what(sql!("erase_cuts")).await?;
    if !all {
        // a newer attempt may be there
        of(client, sql!("attempts_show"), instances).await?;
        attempts::place(client, instances).await?;
        of(client, sql!("attempts_settle"), instances).await?;
    }
    of(client, sql!("erase_reruns"), instances).await?;
    uncount(client, instances, named).await?;
    // The newest attempt is a row of `flowstate`, and kept apart too where there are others.
    Ok(Deleted {
        attempts: apart.max(flows).unsigned_abs(),
        steps: steps.unsigned_abs(),
    })
}

/// Locks these instances and the originals they name; answers with those.
async fn lock(
    client: &Client,
    instances: &Vec<String>,
) -> Result<BTreeSet<(String, String)>, tokio_postgres::Error> {
    let before = named(client, instances).await?;
    let originals = before.iter().map(|(original, _)| original);
    let all: Vec<String> = originals.chain(instances).cloned().collect();
    of(client, sql!("attempts_lock"), &all).await?;
    // a writer that was waited for may have named another
    named(client, instances).await
}

/// Originals that were named before, with the reruns that named them, lose those that no longer do.
async fn uncount(
    client: &Client,
    instances: &Vec<String>,
    before: BTreeSet<(String, String)>,
) -> Result<(), tokio_postgres::Error> {
    if before.is_empty() {
        return Ok(());
    }
    let after = named(client, instances).await?;
    let originals: Vec<String> = before
        .difference(&after)
        .map(|(original, _)| original.clone())
        .collect();
    if !originals.is_empty() {
        of(client, sql!("reruns_lock"), &originals).await?;
        of(client, sql!("erase_uncount"), &originals).await?;
    }
    Ok(())
}

/// Originals that these instances name, each with who names it.
async fn named(
    client: &Client,
    instances: &Vec<String>,
) -> Result<BTreeSet<(String, String)>, tokio_postgres::Error> {
    let rows = of(client, sql!("erase_named"), instances).await?;
    let pair = |row: &Row| (row.get("original"), row.get("rerun"));
    Ok(rows.iter().map(pair).collect())
}

/// Whose a stored instance is: none where nothing is stored, nobody's where no user is.
async fn owner(
    client: &Client,
    instance: &str,
) -> Result<Option<Option<String>>, tokio_postgres::Error> {
    let given = [(&instance as _, Type::TEXT)];
    let rows = client.query_typed(sql!("erase_owner"), &given).await?;
    let stored = rows.first().filter(|row| row.get("stored"));
    Ok(stored.map(|row| row.get("userid")))
}

fn differs(owner: Option<&str>, user: Option<&str>) -> bool {
    matches!((owner, user), (Some(owner), Some(user)) if owner != user)
}

async fn of(
    client: &Client,
    sql: &str,
    instances: &Vec<String>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    client
        .query_typed(sql, &[(instances, Type::TEXT_ARRAY)])
        .await
}
