//! What two writers that did not see each other leave undone, repeated on a tick: steps that were
//! written while another transaction cut their instance, originals that were stored while another
//! transaction stored their rerun, and whatever was stored while another transaction deleted it.
//!
//! The tables themselves say what may be left (`flowtrail.cuts`, `flowtrail.reruns`), so
//! that any server can finish what another began. The marks of deletions and the notes of skipped
//! starts are removed after a day.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    erase,
    lane::{attempts, reruns},
};
use crate::pg::{self, Pool};

/// How often.
const TICK: Duration = Duration::from_secs(1);
/// How far back a sweep looks beyond the one before: transactions under way then have ended.
const OVERLAP: Duration = Duration::from_mins(2);
/// How far back the first one looks: before it, the database or every server may have been away.
const FIRST: Duration = Duration::from_hours(24);
/// How long one sweep may take; a line that fell silent must not end all further ones.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sweeps every second until `end` is cancelled. A failure is logged and the next tick tries again;
/// what a sweep leaves in the middle is rolled back.
pub async fn run(pool: Pool, end: CancellationToken) {
    end.run_until_cancelled(sweeps(pool)).await;
}

async fn sweeps(pool: Pool) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    let mut last: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let began = Instant::now();
        let back = last.map_or(FIRST, |last| (began - last + OVERLAP).min(FIRST));
        let failure = match timeout(PATIENCE, sweep_back(&pool, back)).await {
            Ok(Ok(mine)) => {
                last = if mine { Some(began) } else { last };
                None
            }
            Ok(Err(error)) => {
                if let pg::Error::Statement(error) = &error {
                    pg::leave(&pool, error);
                }
                Some(error.to_string())
            }
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if let Some(error) = failure.as_ref().filter(|_| !failing) {
            tracing::info!(error, "not swept; tried again every second");
        }
        failing = failure.is_some();
    }
}

/// One sweep of everything that may be left, unless another server is at it.
///
/// # Errors
/// What the database did instead; the transaction is rolled back.
pub async fn sweep(pool: &Pool) -> Result<(), pg::Error> {
    sweep_back(pool, FIRST).await.map(|_| ())
}

/// One sweep of what was noted within the last `back`; false when another server is at it.
async fn sweep_back(pool: &Pool, back: Duration) -> Result<bool, pg::Error> {
    let back = back.as_secs_f64();
    let mut client = pool.get().await.map_err(pg::Error::from)?;
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let lock = include_str!("../../sql/ingest/sweep_lock.sql");
    if !client.query_one(lock, &[]).await?.get::<_, bool>("mine") {
        return Ok(false);
    }
    let texts = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect();
    let deleted: Vec<String> = texts(
        client
            .query(include_str!("../../sql/ingest/sweep_deleted.sql"), &[&back])
            .await?,
    );
    if !deleted.is_empty() {
        erase::leftovers(client, &deleted).await?;
    }
    let cut: Vec<String> = texts(
        client
            .query(include_str!("../../sql/ingest/sweep_cut.sql"), &[&back])
            .await?,
    );
    attempts::place(client, &cut).await?;
    let awaited: Vec<String> = texts(
        client
            .query(include_str!("../../sql/ingest/sweep_awaited.sql"), &[&back])
            .await?,
    );
    if !awaited.is_empty() {
        reruns::recount(client, &awaited).await?;
    }
    client
        .execute(include_str!("../../sql/ingest/sweep_expire.sql"), &[])
        .await?;
    client
        .execute(include_str!("../../sql/ingest/sweep_skipped.sql"), &[])
        .await?;
    transaction.commit().await?;
    Ok(true)
}
