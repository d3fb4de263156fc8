//! Instances that are more than one start and at most one end of the same start time: reruns in
//! place, ends before their starts, ends that name no attempt, starts that contradict each other.
//!
//! Their attempts are kept apart in `flowtrail.attempts`, merged there, and the row of `flowstate`
//! is made of them, so that the rows depend on which events there were and not on their order.

use tokio_postgres::{Client, types::Type};

use super::{failure::Failure, write::texts};

macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../../sql/ingest/", $name, ".sql"))
    };
}

/// Merges the staged starts and ends of these instances; answers with the ords of those that count.
/// The rows of `orphans` were made by an end alone, just now, and say nothing that is not staged.
///
/// # Errors
/// What the database did instead.
pub async fn merge(
    client: &Client,
    instances: &Vec<String>,
    orphans: Vec<String>,
) -> Result<Vec<i32>, Failure> {
    let of = |sql, ids| async move { client.query_typed(sql, &[(ids, Type::TEXT_ARRAY)]).await };
    let mut fresh = texts(&of(sql!("attempts_hold"), instances).await?);
    fresh.extend(orphans);
    let stored: Vec<_> = instances
        .iter()
        .filter(|id| !fresh.contains(id))
        .cloned()
        .collect();
    of(sql!("attempts_lock"), instances).await?;
    of(sql!("attempts_seed"), &stored).await?;
    // before a start that loses is gone
    of(sql!("reruns_keep"), instances).await?;
    let started = of(sql!("attempts_start"), instances).await?;
    let ended = of(sql!("attempts_end"), instances).await?;
    of(sql!("attempts_show"), instances).await?;

    let mut moved = texts(&of(sql!("cuts_start"), instances).await?);
    moved.extend(texts(&of(sql!("cuts_step"), instances).await?));
    place(client, &moved).await?;
    of(sql!("attempts_settle"), instances).await?;
    Ok(started
        .iter()
        .chain(&ended)
        .map(|row| row.get("ord"))
        .collect())
}

/// Puts the steps of these instances where their cuts say: among the past ones or the current ones.
///
/// # Errors
/// What the database did instead.
pub async fn place(client: &Client, instances: &Vec<String>) -> Result<(), tokio_postgres::Error> {
    if instances.is_empty() {
        return Ok(());
    }
    for sql in [
        sql!("place_past"),
        sql!("place_current"),
        sql!("place_once"),
    ] {
        client
            .query_typed(sql, &[(instances, Type::TEXT_ARRAY)])
            .await?;
    }
    Ok(())
}
