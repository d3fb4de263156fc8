//! `reruncount`: how many stored instances name this one as their original.

use tokio_postgres::{Client, types::Type};

use super::write::texts;

/// Counts the reruns of the originals that staged starts name, and of those that were `awaited`
/// and may be stored now.
///
/// # Errors
/// What the database did instead.
pub async fn count(
    client: &Client,
    awaited: Vec<String>,
    staged: bool,
) -> Result<(), tokio_postgres::Error> {
    let mut originals = awaited;
    if staged {
        let named = include_str!("../../../sql/ingest/reruns_originals.sql");
        originals.extend(texts(&client.query_typed(named, &[]).await?));
        // before the count: an original that is committed in between would be neither noted nor
        // counted the other way round
        let awaited = include_str!("../../../sql/ingest/reruns_await.sql");
        client.query_typed(awaited, &[]).await?;
    }
    if originals.is_empty() {
        return Ok(());
    }
    recount(client, &originals).await
}

/// Counts again under a lock, in a statement of its own so that it sees what was committed before
/// the lock was had. An original that could not be locked is not stored, and not counted even if
/// it is a moment later: its reruns stay noted.
///
/// # Errors
/// What the database did instead.
pub async fn recount(
    client: &Client,
    originals: &Vec<String>,
) -> Result<(), tokio_postgres::Error> {
    let lock = include_str!("../../../sql/ingest/reruns_lock.sql");
    let locked = client
        .query_typed(lock, &[(originals, Type::TEXT_ARRAY)])
        .await?;
    let locked = texts(&locked);
    if !locked.is_empty() {
        let count = include_str!("../../../sql/ingest/reruns_count.sql");
        client
            .query_typed(count, &[(&locked, Type::TEXT_ARRAY)])
            .await?;
    }
    Ok(())
}
