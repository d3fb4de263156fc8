//! Starts: without the database, with another one, beside another server.

use flowtrail::proto::Durability;

use super::{SOON, emptied, expect, program, readiness, segments, steps};
use crate::support::{self, Cluster, DataDir, Program, Run, Stream, hello, step};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_at_the_start_is_served_with_its_last_toggles() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut first = program(&url, &dir.text(), &[]).await;
    let client = support::connect(&url).await;
    let off = "insert into public.appstate (userid, appname, persistenceenabled) values ('acme', 'bills', false)";
    client.batch_execute(off).await.unwrap();
    let (mut stream, _) = Stream::greet(first.address, hello("bills")).await;
    support::eventually("the toggle", async || {
        stream.chunk([step("b", 0)]).await;
        stream.ack().await.skipped == 1
    })
    .await;
    drop(stream);
    assert_eq!(first.terminate().await, Some(0));
    cluster.stop().await;

    let mut second = program(&url, &dir.text(), &[]).await;
    let (ready, report) = readiness(second.address).await;
    assert_eq!(ready, 200, "{report}");
    assert_ne!(report["database"], "up");
    let (mut bills, welcome) = Stream::greet(second.address, hello("bills")).await;
    assert!(!welcome.persistence_enabled);
    bills.chunk([step("b", 1)]).await;
    assert_eq!(bills.ack().await.skipped, 1);
    let (mut orders, welcome) = Stream::greet(second.address, hello("orders")).await;
    assert!(welcome.persistence_enabled);
    orders.chunk([step("o", 0)]).await;
    expect(&orders.ack().await, Durability::Spooled, 1);

    cluster.start_again().await;
    emptied(second.address).await;
    let client = support::connect(&url).await;
    assert_eq!(steps(&client, "o").await, [0]);
    // an app that was only seen during the outage has its row all the same
    support::eventually("the app", async || {
        let app = "select count(*) from public.appstate where appname = 'orders'";
        client.query_one(app, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    drop((bills, orders));
    assert_eq!(second.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_never_seen_has_to_be_there_at_the_start() {
    let dir = DataDir::new("data");
    let nobody = format!("postgresql://flowtrail@{}/history", support::free_address());
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &nobody,
    ];
    let end = Run::new(&[&words[..], &["--data-dir", &dir.text()]].concat()).end();
    end.await.failed(1, &["history"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spooled_for_one_database_is_not_drained_into_another() {
    let (one, other) = (Cluster::start().await, support::empty_database().await);
    let url = one.url("postgres");
    let dir = DataDir::new("data");
    let mut first = program(&url, &dir.text(), &[]).await;
    one.stop().await;
    let (mut stream, _) = Stream::greet(first.address, hello("orders")).await;
    stream.chunk([step("i", 0)]).await;
    expect(&stream.ack().await, Durability::Spooled, 1);
    drop(stream);
    assert_eq!(first.terminate().await, Some(0));

    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &other.url,
    ];
    let end = Run::new(&[&words[..], &["--data-dir", &dir.text()]].concat()).end();
    end.await.failed(
        1,
        &["1 events for another database", "flowtrail spool drain"],
    );
    assert_eq!(segments(&dir.path).len(), 1, "it is still there");

    one.start_again().await;
    let mut second = program(&url, &dir.text(), &[]).await;
    emptied(second.address).await;
    assert_eq!(steps(&support::connect(&url).await, "i").await, [0]);
    assert_eq!(second.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_spool_is_refused() {
    let database = support::database().await;
    let dir = DataDir::new("data");
    let mut first = program(&database.url, &dir.text(), &[]).await;
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &database.url,
    ];
    let pid = format!("process {}", first.pid());
    let end = Run::new(&[&words[..], &["--data-dir", &dir.text()]].concat()).end();
    end.await
        .failed(1, &["used by another service", &pid, "--data-dir"]);
    assert_eq!(first.terminate().await, Some(0));
    let flags = ["--database-url", &database.url, "--data-dir", &dir.text()];
    let mut second = Program::serve(&[&flags[..], &SOON].concat()).await;
    assert_eq!(second.terminate().await, Some(0));
}

/// Somebody points the name of the database at another one while the service runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_writes_only_to_the_database_it_began_with() {
    let cluster = Cluster::start().await;
    let admin = support::connect(&cluster.url("postgres")).await;
    admin
        .batch_execute("create database history")
        .await
        .unwrap();
    let url = cluster.url("history");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &[]).await;
    let rename = async |from: &str, to: &str| {
        support::eventually("nobody is connected", async || {
            let end = format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'"
            );
            admin.batch_execute(&end).await.unwrap();
            let rename = format!("alter database {from} rename to {to}");
            admin.batch_execute(&rename).await.is_ok()
        })
        .await;
    };
    rename("history", "aside").await;
    admin
        .batch_execute("create database history")
        .await
        .unwrap();
    let other = Run::new(&["migrate", "--database-url", &url]);
    other.end().await.done();

    let (mut stream, _) = Stream::greet(running.address, hello("orders")).await;
    stream.chunk([step("i", 0)]).await;
    expect(&stream.ack().await, Durability::Spooled, 1);
    support::eventually("it is known for another one", async || {
        readiness(running.address).await.1["database"] == "down: elsewhere"
    })
    .await;
    let client = support::connect(&url).await;
    assert!(steps(&client, "i").await.is_empty());
    drop(client);
    rename("history", "wrong").await;
    rename("aside", "history").await;
    emptied(running.address).await;
    assert_eq!(steps(&support::connect(&url).await, "i").await, [0]);
    drop(stream);
    assert_eq!(running.terminate().await, Some(0));
}
