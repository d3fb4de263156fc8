//! What the database refuses, and what the spool refuses.

use std::path::Path;

use flowtrail::proto::Durability;
use serde_json::Value;

use super::{emptied, expect, program, readiness, rejected, segments, steps};
use crate::support::{self, Cluster, DataDir, Stream, eventually, hello, step};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_while_draining_is_kept_apart_once() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &[]).await;
    let client = support::connect(&url).await;
    let check = "alter table public.steps add constraint small check (stepid::int < 100)";
    client.batch_execute(check).await.unwrap();
    cluster.stop().await;
    let (mut stream, _) = Stream::greet(running.address, hello("orders")).await;
    stream
        .chunk([step("i", 1), step("i", 100), step("i", 2)])
        .await;
    expect(&stream.ack().await, Durability::Spooled, 3);
    drop(stream);

    cluster.start_again().await;
    emptied(running.address).await;
    let client = support::connect(&url).await;
    assert_eq!(steps(&client, "i").await, [1, 2]);
    let rejected = || rejected(&dir.path);
    assert_eq!(rejected().len(), 1, "{:?}", rejected());
    let bytes = std::fs::read(&rejected()[0]).unwrap();
    assert!(
        bytes.windows(5).any(|bytes| bytes == b"23514"),
        "it says why"
    );

    // tried again, in vain and then with success
    let folder = dir.path.join("spool/retry");
    let retry = |row: &Path| std::fs::rename(row, folder.join(row.file_name().unwrap())).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    retry(&rejected()[0]);
    eventually("refused again", async || rejected().len() == 1).await;
    client
        .batch_execute("alter table public.steps drop constraint small")
        .await
        .unwrap();
    retry(&rejected()[0]);
    eventually("stored", async || steps(&client, "i").await == [1, 2, 100]).await;
    emptied(running.address).await;
    assert!(rejected().is_empty());
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_makes_senders_wait() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let small = ["--spool-bytes", "130MiB", "--queue-bytes", "16MiB"];
    let mut running = program(&url, &dir.text(), &small).await;
    cluster.stop().await;
    let load = support::Load::start(running.address, "f", 4, support::BIG).await;
    // a smaller batch of another lane may be taken still, and it is ready again for a moment
    let mut report = Value::Null;
    eventually("503", async || {
        let (status, now) = readiness(running.address).await;
        report = now;
        status == 503
    })
    .await;
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains("nor does the spool"), "{reason}");
    assert!(segments(&dir.path).len() >= 2);
    let spooled = load.acked();
    assert!(spooled > 50, "{spooled}");

    cluster.start_again().await;
    load.progress(20).await;
    let ledgers = load.finish().await;
    emptied(running.address).await;
    eventually("200", async || readiness(running.address).await.0 == 200).await;
    support::verify(&support::connect(&url).await, &ledgers).await;
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_refusals_than_a_few_while_draining_are_the_tables_fault() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &[]).await;
    let client = support::connect(&url).await;
    let check = "alter table public.steps add constraint none check (stepid::int < 0)";
    client.batch_execute(check).await.unwrap();
    cluster.stop().await;
    let (mut stream, _) = Stream::greet(running.address, hello("orders")).await;
    stream.chunk((0..20).map(|number| step("i", number))).await;
    expect(&stream.ack().await, Durability::Spooled, 20);
    drop(stream);
    cluster.start_again().await;
    let refused = async || readiness(running.address).await.1["database"] == "down: refused";
    eventually("an operator is asked", refused).await;
    assert!(rejected(&dir.path).is_empty());
    let client = support::connect(&url).await;
    client
        .batch_execute("alter table public.steps drop constraint none")
        .await
        .unwrap();
    emptied(running.address).await;
    assert_eq!(steps(&client, "i").await, (0..20).collect::<Vec<_>>());
    assert_eq!(running.terminate().await, Some(0));
}
