//! Processes and lines that fail under load, and every acknowledged event compared with the tables.

mod crowd;
mod database;
mod fairness;
mod line;
mod memory;
mod program;
mod stop;

use std::time::Duration;

/// A moment between 200 and 800 ms: where a fault strikes is left to chance.
pub(crate) async fn moment() {
    let random = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    tokio::time::sleep(Duration::from_millis(200 + random * 600 / 255)).await;
}
