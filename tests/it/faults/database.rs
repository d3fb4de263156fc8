//! The database stops, falls silent or crashes, and does not confirm a commit.

use std::time::Duration;

use flowtrail::proto::record_response::Message;

use crate::support::{
    self, BIG, Cluster, Ledger, Load, Program, SMALL, Stream, eventually, hello, http, serve,
    verify,
};

/// Ends the load; every stream must have been answered to the end, each event recorded once.
async fn arrived(cluster: &Cluster, load: Load) {
    let ledgers = load.finish().await;
    for ledger in &ledgers {
        ledger.end.as_ref().expect("the streams only waited");
        assert_eq!(ledger.acked, ledger.sent);
        let Ledger { sum, sent, .. } = ledger;
        // a transaction whose commit was not answered is written again, and finds itself
        assert_eq!(sum.recorded + sum.superseded, sent * ledger.events());
    }
    verify(&support::connect(&cluster.url("postgres")).await, &ledgers).await;
}

async fn readiness(program: &Program) -> (u16, serde_json::Value) {
    let (status, body) = http(program.address, "/readyz").await.expect("it answers");
    (status, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_stopped_streams_wait_within_the_budget() {
    const BUDGET: usize = 16 << 20;
    const STREAMS: usize = 4;
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let budget = BUDGET.to_string();
    let flags = [
        "--database-url",
        &url,
        "--queue-bytes",
        &budget,
        "--no-spool",
    ];
    let mut program = Program::serve(&flags).await;
    let load = Load::start(program.address, "w", STREAMS, BIG).await;
    // what writing itself takes is there from now on
    load.progress(50).await;
    let before = program.resident_bytes();

    let mut waiter = Stream::greet(program.address, hello("orders")).await.0;
    cluster.stop().await;
    let stopped = tokio::time::Instant::now();
    eventually("503", async || readiness(&program).await.0 == 503).await;
    let (_, report) = readiness(&program).await;
    assert_eq!(report["ready"], false);
    // that it shuts down, or that nobody is there any more
    let database = report["database"].as_str().expect("a text");
    assert!(database.starts_with("down: "), "{database}");
    let reason = report["reason"].as_str().expect("a reason");
    assert!(reason.contains("the queue is full"), "{reason}");
    let acked = load.acked();
    while stopped.elapsed() < Duration::from_secs(10) {
        let over = program.resident_bytes().saturating_sub(before);
        let bound = BUDGET + STREAMS * (1 << 20) + (16 << 20);
        assert!(over < bound, "{over} bytes more than before");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(load.acked(), acked, "nothing is acknowledged meanwhile");
    assert_eq!(readiness(&program).await.0, 503);

    cluster.start_again().await;
    eventually("200", async || readiness(&program).await.0 == 200).await;
    load.progress(10).await;
    eventually("database", async || {
        readiness(&program).await.1["database"] == "up"
    })
    .await;
    arrived(&cluster, load).await;
    waiter.requests = None;
    assert_eq!(waiter.next().await.expect("an OK end"), None);
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_room_left_the_service_is_ready_without_the_database() {
    let cluster = Cluster::start().await;
    let mut program = Program::serve(&["--database-url", &cluster.url("postgres")]).await;
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    cluster.stop().await;
    stream.chunk([]).await;
    assert_eq!(stream.ack().await.through_sequence, 1, "nothing to write");
    eventually("outage", async || {
        readiness(&program).await.1["database"] != "up"
    })
    .await;
    assert_eq!(readiness(&program).await.0, 200);
    cluster.start_again().await;
    drop(stream);
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_is_given_up_and_come_back_to() {
    let cluster = Cluster::start().await;
    // twice this long is waited for an answer
    let flags = ["--statement-timeout", "1s", "--connect-timeout", "1s"];
    let service = serve(&cluster.url("postgres"), &flags).await;
    let load = Load::start(service.local_addr(), "f", 4, SMALL).await;
    // shorter and longer than that
    for silence in [500, 5_000] {
        load.progress(5).await;
        cluster.freeze();
        tokio::time::sleep(Duration::from_millis(silence)).await;
        cluster.thaw();
        load.progress(5).await;
    }
    arrived(&cluster, load).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_database_loses_nothing() {
    let cluster = Cluster::start().await;
    let service = serve(&cluster.url("postgres"), &[]).await;
    let load = Load::start(service.local_addr(), "c", 4, SMALL).await;
    for _ in 0..3 {
        load.progress(5).await;
        super::moment().await;
        cluster.kill9().await;
        cluster.start_again().await;
    }
    load.progress(5).await;
    arrived(&cluster, load).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_standby_confirmed_is_not_acknowledged() {
    let cluster = Cluster::start().await;
    let client = support::connect(&cluster.url("postgres")).await;
    let service = serve(&cluster.url("postgres"), &[]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let standby = async |name: &str| {
        let set = format!("alter system set synchronous_standby_names = '{name}'");
        client.batch_execute(&set).await.unwrap();
        client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        let shows = async || {
            let fresh = support::connect(&cluster.url("postgres")).await;
            let row = fresh
                .query_one("show synchronous_standby_names", &[])
                .await
                .unwrap();
            row.get::<_, String>(0) == name
        };
        eventually("reload", shows).await;
    };
    standby("nobody").await;
    stream.chunk([support::step("i", 0)]).await;
    // an administrator who sees a session hang cancels it: the row is committed, here alone
    let cancel =
        "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'";
    let stored = "select count(*) from public.steps";
    let number = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    eventually("stored row", async || {
        number(cancel).await;
        number(stored).await == 1
    })
    .await;
    eventually("second try", async || number(cancel).await > 0).await;
    let answer = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(answer.is_err(), "{answer:?}");

    standby("").await;
    let Ok(Some(Message::Ack(ack))) = stream.next().await else {
        panic!("an ack");
    };
    assert_eq!(
        (ack.through_sequence, ack.recorded + ack.superseded),
        (1, 1)
    );
    drop(stream);
    service.stop().await.unwrap();
}
