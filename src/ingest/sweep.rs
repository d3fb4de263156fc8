//! What two writers that did not see each other leave undone, repeated on a tick: steps that were
//! written while another transaction cut their instance, and originals that were stored while
//! another transaction stored their rerun.
//!
//! The tables themselves say what may be left (`flowtrail.cuts`, `flowtrail.reruns`), so
//! that any server can finish what another began. Deletions are forgotten here after a day.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::lane::{attempts, reruns};
use crate::pg::{self, Pool};

/// How often.
const TICK: Duration = Duration::from_secs(1);

/// Sweeps every second until `end` is cancelled. A failure is logged and the next tick tries again.
pub async fn run(pool: Pool, end: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        let outcome = sweep(&pool).await;
        match &outcome {
            Err(error) if !failing => tracing::info!(%error, "not swept; tried again every second"),
            _ => {}
        }
        failing = outcome.is_err();
    }
}

/// One sweep, unless another server is at it.
///
/// # Errors
/// What the database did instead; the transaction is rolled back.
pub async fn sweep(pool: &Pool) -> Result<(), pg::Error> {
    let mut client = pool.get().await.map_err(pg::Error::from)?;
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let lock = include_str!("../../sql/ingest/sweep_lock.sql");
    if !client.query_one(lock, &[]).await?.get::<_, bool>("mine") {
        return Ok(());
    }
    let texts = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect();
    let cut: Vec<String> = texts(
        client
            .query(include_str!("../../sql/ingest/sweep_cut.sql"), &[])
            .await?,
    );
    attempts::place(client, &cut).await?;
    let awaited: Vec<String> = texts(
        client
            .query(include_str!("../../sql/ingest/sweep_awaited.sql"), &[])
            .await?,
    );
    if !awaited.is_empty() {
        reruns::recount(client, &awaited).await?;
    }
    client
        .execute(include_str!("../../sql/ingest/sweep_expire.sql"), &[])
        .await?;
    transaction.commit().await?;
    Ok(())
}
