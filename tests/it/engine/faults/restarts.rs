//! The server and its database are killed and come back: the flows and their history do not notice.

use serde_json::Value;

use super::super::{
    Engine,
    history::{self, EVENTS, TEN},
    process::{Ended, Process},
};
use crate::support::{self, Cluster, Program, free_address};

const FLOWS: u64 = 20_000;
/// What the recorder may hold. It is full soon when nobody takes anything.
const BUDGET: u64 = 8 << 20;
/// What an engine may have more than one that records nothing. The garbage collector lets the heap
/// grow to twice of what is held. The rest is for buffers of what is being encoded and sent.
const MEMORY: u64 = 2 * BUDGET + (24 << 20);

async fn start(address: std::net::SocketAddr) -> Process {
    let (flows, budget) = (FLOWS.to_string(), format!("budget={BUDGET}"));
    let words = [
        "--scenario",
        TEN,
        "--flows",
        &flows,
        "--metrics-every",
        "50ms",
        "--setting",
        &budget,
        "--setting",
        "stopTimeout=1m",
    ];
    Engine::Newest
        .start("flowtrail", "acme", address, &words)
        .await
}

/// No flow failed, nothing was given up, and memory stayed within its bounds.
fn unharmed(ended: &Ended, unrecorded: u64) {
    let done = ended.as_expected();
    assert_eq!(
        (&done["flows"], &done["failed"]),
        (&FLOWS.into(), &0.into())
    );
    let count = |name: &str| done["metrics"][name].as_u64().expect("a count");
    assert_eq!(
        (count("recorded"), count("acknowledged")),
        (FLOWS * EVENTS, FLOWS * EVENTS)
    );
    assert_eq!(
        (count("dropped"), count("rejected"), count("waiting_bytes")),
        (0, 0, 0)
    );
    let most = ended
        .metric("waiting_bytes")
        .max()
        .expect("lines of metrics");
    assert!((BUDGET / 2..=BUDGET).contains(&most), "{most} bytes waited");
    let peak = peak(done);
    assert!(
        peak <= unrecorded + MEMORY,
        "{peak} bytes of memory, unrecorded {unrecorded}"
    );
}

fn peak(done: &Value) -> u64 {
    done["peak_rss"].as_u64().expect("bytes")
}

/// The most memory of an engine that records nothing.
async fn unrecorded() -> u64 {
    let words = ["--scenario", TEN, "--flows", "5000", "--quiet"];
    let ended = Engine::Newest
        .run("none", "acme", free_address(), &words)
        .await;
    peak(ended.as_expected())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_three_times_loses_and_copies_nothing() {
    let unrecorded = unrecorded().await;
    let database = support::database().await;
    let address = free_address();
    let listen = address.to_string();
    let flags = ["--listen", &listen, "--database-url", &database.url];
    let mut program = Program::serve_on(address, &flags).await;
    let mut engine = start(address).await;
    for _ in 0..3 {
        engine.progress(3_000).await;
        program.kill9();
        program = Program::serve_on(address, &flags).await;
    }
    let ended = engine.end().await;
    unharmed(&ended, unrecorded);
    assert!(ended.metric("reconnects").last() >= Some(3));
    let client = database.client().await;
    history::complete(&client, "acme", FLOWS).await;
    assert_eq!(history::copies(&client).await, [0; 5]);
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_twice_loses_and_copies_nothing() {
    let unrecorded = unrecorded().await;
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let mut program = Program::serve(&["--database-url", &url, "--queue-bytes", "16MiB"]).await;
    let mut engine = start(program.address).await;
    for _ in 0..2 {
        engine.progress(4_000).await;
        cluster.kill9().await;
        cluster.start_again().await;
    }
    unharmed(&engine.end().await, unrecorded);
    let client = support::connect(&url).await;
    history::complete(&client, "acme", FLOWS).await;
    assert_eq!(history::copies(&client).await, [0; 5]);
    assert_eq!(program.terminate().await, Some(0));
}
