//! Waiting for a condition, and making others wait.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

/// Returns once `holds` says so; fails when it has not within a minute.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Holds whoever has inserted into `table` and not committed yet, until [`release`].
pub(crate) async fn hold(client: &Client, table: &str) {
    let hold = format!(
        "create function public.hold() returns trigger language plpgsql as $$
        begin
          perform pg_advisory_xact_lock_shared(1);
          return null;
        end $$;
        create trigger hold after insert on {table}
          for each statement execute function public.hold();
        select pg_advisory_lock(1)"
    );
    client.batch_execute(&hold).await.unwrap();
}

/// Lets those go on that [`hold`] holds.
pub(crate) async fn release(client: &Client) {
    let release = "select pg_advisory_unlock(1)";
    client.batch_execute(release).await.unwrap();
}
