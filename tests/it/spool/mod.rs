//! The spool: what is acknowledged while the database is away, and what becomes of it.

mod lanes;
mod outage;
mod refused;
mod starts;

use std::path::{Path, PathBuf};

use flowtrail::proto::{Ack, Durability};
use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{self, Program};

/// Batches go to the spool soon, so that tests are short.
const SOON: [&str; 2] = ["--spool-after", "1s"];

/// An ack of `events` events with this durability.
#[track_caller]
fn expect(ack: &Ack, durability: Durability, events: u64) {
    let answered = ack.recorded + ack.completed + ack.superseded;
    assert_eq!(
        (ack.durability(), answered),
        (durability, events),
        "{ack:?}"
    );
}

/// What `/readyz` says.
async fn readiness(address: std::net::SocketAddr) -> (u16, Value) {
    let (status, body) = support::http(address, "/readyz").await.expect("it answers");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// Returns once nothing is left in the spool.
async fn emptied(address: std::net::SocketAddr) {
    support::eventually("an empty spool", async || {
        readiness(address).await.1["spooled_events"] == 0
    })
    .await;
}

/// The segments of the spool.
fn segments(data_dir: &Path) -> Vec<PathBuf> {
    files(&data_dir.join("spool"), "segment")
}

/// The rows that the database refused.
fn rejected(data_dir: &Path) -> Vec<PathBuf> {
    files(&data_dir.join("spool/rejected"), "row")
}

/// The files whose name ends in `extension`, without those that are being written under another.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|end| end == extension));
    files.sort();
    files
}

/// The ids of the steps of an instance, in order.
async fn steps(client: &Client, instance: &str) -> Vec<i32> {
    let query =
        "select stepid::int from public.steps where flowinstanceid = $1 order by stepid::int";
    let rows = client.query(query, &[&instance]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The status of an instance; none when it has no row.
async fn status(client: &Client, instance: &str) -> Option<String> {
    let query = "select status from public.flowstate where flowinstanceid = $1";
    let row = client.query_opt(query, &[&instance]).await.unwrap();
    row.and_then(|row| row.get(0))
}

/// `flowtrail serve` of a database and a data directory, with a spool that is used soon.
async fn program(url: &str, data_dir: &str, more: &[&str]) -> Program {
    let flags = ["--database-url", url, "--data-dir", data_dir];
    Program::serve(&[&flags[..], &SOON, more].concat()).await
}
