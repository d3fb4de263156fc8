//! The database goes away and comes back while the service runs.

use std::time::{Duration, Instant};

use flowtrail::proto::Durability;

use super::{SOON, emptied, expect, program, readiness, segments, status, steps};
use crate::support::{
    self, Cluster, DataDir, Load, SMALL, Stream, end, eventually, hello, serve, start, step, verify,
};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_events_are_spooled_and_then_drained() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut program = program(&url, &dir.text(), &[]).await;
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    stream.chunk([start("i", 1_000), step("i", 0)]).await;
    expect(&stream.ack().await, Durability::Committed, 2);
    assert!(segments(&dir.path).is_empty(), "nothing is spooled yet");

    cluster.stop().await;
    let away = Instant::now();
    stream.chunk([step("i", 1)]).await;
    expect(&stream.ack().await, Durability::Spooled, 1);
    let after = away.elapsed();
    assert!(
        after > Duration::from_millis(800),
        "{after:?}: it is tried until --spool-after"
    );
    let before = Instant::now();
    for number in 2..50 {
        stream.chunk([step("i", number)]).await;
        expect(&stream.ack().await, Durability::Spooled, 1);
    }
    let each = before.elapsed() / 48;
    assert!(
        each < Duration::from_millis(200),
        "{each:?}: the database is not tried"
    );
    let (ready, report) = readiness(program.address).await;
    assert_eq!(
        (ready, &report["spooled_events"]),
        (200, &49.into()),
        "{report}"
    );
    assert_ne!(report["database"], "up");
    assert_eq!(segments(&dir.path).len(), 1);

    cluster.start_again().await;
    stream
        .chunk([step("i", 50), end("i", Some(1_000), 2_000)])
        .await;
    stream.ack().await;
    emptied(program.address).await;
    let client = support::connect(&url).await;
    assert_eq!(steps(&client, "i").await, (0..=50).collect::<Vec<_>>());
    stream.chunk([step("i", 51)]).await;
    expect(&stream.ack().await, Durability::Committed, 1);
    eventually("the space is given back", async || {
        segments(&dir.path).is_empty()
    })
    .await;
    assert_eq!(readiness(program.address).await.1["database"], "up");
    drop(stream);
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_on_while_a_table_is_locked() {
    let database = support::database().await;
    let service = serve(&database.url, &SOON).await;
    let mut locker = database.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table public.steps").await.unwrap();

    let load = Load::start(service.local_addr(), "l", 4, SMALL).await;
    load.progress(200).await;
    let (_, report) = readiness(service.local_addr()).await;
    assert!(report["spooled_events"].as_u64() > Some(0), "{report}");
    lock.rollback().await.unwrap();
    // both ways at once
    load.progress(200).await;
    let ledgers = load.finish().await;
    emptied(service.local_addr()).await;
    verify(&database.client().await, &ledgers).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_database_is_away_loses_nothing_and_is_quick() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &[]).await;
    let load = Load::start(running.address, "s", 4, SMALL).await;
    load.progress(5).await;
    cluster.stop().await;
    load.progress(20).await;
    let asked = Instant::now();
    assert_eq!(running.terminate().await, Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    let mut ledgers = load.ended().await;

    cluster.start_again().await;
    let mut running = program(&url, &dir.text(), &[]).await;
    emptied(running.address).await;
    let client = support::connect(&url).await;
    verify(&client, &ledgers).await;
    for ledger in &mut ledgers {
        ledger.resend(running.address).await;
    }
    emptied(running.address).await;
    verify(&client, &ledgers).await;
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_spooling_has_kept_what_it_acknowledged() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let dir = DataDir::new("data");
    let mut running = program(&url, &dir.text(), &["--lanes", "2"]).await;
    let mut ledgers = Vec::new();
    cluster.stop().await;
    for (round, lanes) in [("a", "3"), ("b", "2"), ("c", "1")] {
        let load = Load::start(running.address, round, 4, SMALL).await;
        load.progress(20).await;
        running.kill9();
        ledgers.extend(load.ended().await);
        // the database is still away, and there are other lanes
        running = program(&url, &dir.text(), &["--lanes", lanes]).await;
    }
    cluster.start_again().await;
    emptied(running.address).await;
    let client = support::connect(&url).await;
    assert!(verify(&client, &ledgers).await >= 60);
    for ledger in &mut ledgers {
        ledger.resend(running.address).await;
    }
    emptied(running.address).await;
    verify(&client, &ledgers).await;
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_makes_no_row_goes_behind_its_start() {
    let database = support::database().await;
    let service = serve(&database.url, &SOON).await;
    let (mut stream, welcome) = Stream::greet(service.local_addr(), hello("orders")).await;
    assert!(welcome.persistence_enabled);
    stream.chunk([step("other", 0)]).await;
    stream.ack().await;
    let mut locker = database.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table public.flowstate")
        .await
        .unwrap();
    stream.chunk([start("begun", 1_000)]).await;
    expect(&stream.ack().await, Durability::Spooled, 1);

    let client = database.client().await;
    let off = "insert into public.appstate (userid, appname, persistenceenabled) values ('acme', 'orders', false)
        on conflict (userid, appname) do update set persistenceenabled = false";
    client.batch_execute(off).await.unwrap();
    loop {
        use flowtrail::proto::record_response::Message;
        match stream.next().await {
            Ok(Some(Message::PersistenceChanged(news))) if !news.persistence_enabled => break,
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    stream
        .chunk([
            end("begun", Some(1_000), 2_000),
            end("unknown", Some(1_000), 2_000),
        ])
        .await;
    let ack = stream.ack().await;
    expect(&ack, Durability::Spooled, 2);
    lock.rollback().await.unwrap();
    emptied(service.local_addr()).await;
    let ended = "select endtime = to_timestamp(2000) at time zone 'UTC' from public.flowstate where flowinstanceid = 'begun'";
    assert!(
        client
            .query_one(ended, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    assert_eq!(status(&client, "unknown").await, None);
    let rows = "select count(*) from public.flowstate";
    assert_eq!(support::count(&database, rows).await, 1);
    drop(stream);
    service.stop().await.unwrap();
}
