//! Apps that are seen: a row of `appstate` for one that has none, and the version seen last.

use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

use super::failure::Failure;
use crate::ingest::queue::Registration;

/// Writes what is not there yet. Whoever holds a lock in the way is waited for only briefly; the
/// transaction is still open after an error.
///
/// # Errors
/// What the database did instead.
pub(super) async fn register(client: &Client, apps: &[&Registration]) -> Result<(), Failure> {
    let users: Vec<_> = apps.iter().map(|app| app.user.as_str()).collect();
    let names: Vec<_> = apps.iter().map(|app| app.app.as_str()).collect();
    let versions: Vec<_> = apps.iter().map(|app| app.version.as_str()).collect();
    client.batch_execute("begin").await?;
    let patience = include_str!("../../../sql/ingest/app_patience.sql");
    client.query_typed(patience, &[]).await?;
    for sql in [
        include_str!("../../../sql/ingest/app_register.sql"),
        include_str!("../../../sql/ingest/app_version.sql"),
    ] {
        let columns: [(&(dyn ToSql + Sync), Type); 3] = [
            (&users, Type::TEXT_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&versions, Type::TEXT_ARRAY),
        ];
        client.query_typed(sql, &columns).await?;
    }
    client.batch_execute("commit").await?;
    Ok(())
}
