//! A rerun's mark on an instance: steps from n on that began before this time belong to an earlier
//! attempt. They move to the past steps, also when they arrive later; nothing is destroyed.

use tokio_postgres::types::Type;

use super::lane::attempts;
use crate::{
    event::Micros,
    pg::{self, Pool},
};

/// Cuts `instance` from step `from` on, asked for at `asked_at`. The time counts until the attempt
/// that follows has begun; then its start time does.
///
/// # Errors
/// What the database did instead; nothing is changed then.
pub async fn make(
    pool: &Pool,
    instance: &str,
    from: u32,
    asked_at: Micros,
) -> Result<(), pg::Error> {
    let mut client = pool.get().await.map_err(pg::Error::from)?;
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let instances = vec![instance.to_owned()];
    let only = (&instances, Type::TEXT_ARRAY);
    let lock = include_str!("../../sql/ingest/attempts_lock.sql");
    client
        .query_typed(lock, &[(only.0, only.1.clone())])
        .await?;
    let from = i32::try_from(from).unwrap_or(i32::MAX);
    client
        .query_typed(
            include_str!("../../sql/ingest/cut_make.sql"),
            &[
                (&instance, Type::TEXT),
                (&from, Type::INT4),
                (&asked_at.since_2000(), Type::INT8),
            ],
        )
        .await?;
    let follow = include_str!("../../sql/ingest/cuts_step.sql");
    client.query_typed(follow, &[(only.0, only.1)]).await?;
    attempts::place(client, &instances).await?;
    transaction.commit().await?;
    Ok(())
}
