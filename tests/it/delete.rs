//! What is deleted stays deleted, and what a rerun cuts is what was accepted before it.

mod cuts;

use std::time::Duration;

use flowtrail::{
    app::Running,
    ingest::{
        erase::{Deleted, Eraser, Error},
        queue,
        ticket::Outcome,
    },
    lifecycle::Lifecycle,
    proto::{Ack, FlowStarted, StepRecorded, event::Kind},
};
use tokio_postgres::Client;

use crate::support::{
    self, Cluster, Rest, Stream, TestDatabase, count, end, eventually, hello, start, step, time,
};

/// Further on than any clock of these tests.
const LATER: i64 = 4_000_000_000;

fn step_at(instance: &str, number: i32, seconds: i64) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: instance.into(),
        step_id: number,
        start_time: time(seconds),
        ..StepRecorded::default()
    })
}

fn rerun_of(original: &str, instance: &str, seconds: i64) -> Kind {
    Kind::Started(FlowStarted {
        instance_id: instance.into(),
        start_time: time(seconds),
        original_instance_id: Some(original.into()),
        ..FlowStarted::default()
    })
}

/// Sends a chunk and waits until it is stored.
async fn record(service: &Running, kinds: impl IntoIterator<Item = Kind>) -> Ack {
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk(kinds).await;
    stream.finish().await
}

/// Status and body of a DELETE.
async fn delete(service: &Running, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut rest = Rest::new(service.local_addr());
    let (status, headers, body) = rest.request("DELETE", path, headers, b"").await;
    assert_eq!(headers["content-type"], "application/json", "{path}");
    (status, body)
}

/// Rows of an instance: of flowstate, steps, attempts, past steps, marks of reruns, notes of reruns.
async fn rows(client: &Client, instance: &str) -> [i64; 6] {
    let row = client
        .query_one(
            "select (select count(*) from public.flowstate where flowinstanceid = $1),
               (select count(*) from public.steps where flowinstanceid = $1),
               (select count(*) from flowtrail.attempts where flowinstanceid = $1),
               (select count(*) from flowtrail.past_steps where flowinstanceid = $1),
               (select count(*) from flowtrail.cuts where flowinstanceid = $1 and kind <> 'deleted'),
               (select count(*) from flowtrail.reruns where rerun = $1)",
            &[&instance],
        )
        .await
        .unwrap();
    std::array::from_fn(|at| row.get(at))
}

async fn reruncount(database: &TestDatabase, instance: &str) -> i64 {
    let sql = format!(
        "select reruncount::bigint from public.flowstate where flowinstanceid = '{instance}'"
    );
    count(database, &sql).await
}

#[tokio::test]
async fn a_deleted_instance_leaves_no_row_and_its_original_counts_one_rerun_less() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    let others = [start("original", 500), start("other", 500)];
    record(&service, others).await;
    record(
        &service,
        [
            rerun_of("original", "i", 1_000),
            rerun_of("original", "j", 1_000),
            rerun_of("absent", "i", 2_000),
            end("i", Some(1_000), 1_001),
            step_at("i", 0, 1_000),
            step_at("i", 1, 1_000),
            step_at("i", 0, 2_000),
        ],
    )
    .await;
    assert_eq!(reruncount(&database, "original").await, 2);
    assert_eq!(delete(&service, "/v1/instances/i/step/0", &[]).await.0, 200);
    eventually("everything in its place", async || {
        rows(&client, "i").await == [1, 0, 2, 3, 2, 2]
    })
    .await;

    let (status, body) = delete(&service, "/v1/instances/i", &[]).await;
    assert_eq!((status, &*body), (200, ""));
    assert_eq!(rows(&client, "i").await, [0; 6]);
    assert_eq!(reruncount(&database, "original").await, 1);
    let flows = "select count(*) from public.flowstate";
    assert_eq!(count(&database, flows).await, 3, "the others stay");

    let (status, body) = delete(&service, "/v1/instances/i", &[]).await;
    let gone = "{\"code\":404,\"message\":\"instance i is not stored\"}\n";
    assert_eq!((status, &*body), (404, gone));
    let marks = "select count(*) from flowtrail.cuts";
    assert_eq!(count(&database, marks).await, 1, "the mark of the deletion");
    for id in ["unheard", "%00", "a%2Fb", &"x".repeat(600)] {
        let (status, body) = delete(&service, &format!("/v1/instances/{id}"), &[]).await;
        assert_eq!(status, 404, "{id}: {body}");
    }
    assert_eq!(
        count(&database, marks).await,
        1,
        "nothing was left of those"
    );
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_original_keeps_the_reruns_that_an_older_service_counted() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    let chunk = [start("original", 500), rerun_of("original", "i", 1_000)];
    record(&service, chunk).await;
    let raise = "update public.flowstate set reruncount = 5 where flowinstanceid = 'original'";
    client.batch_execute(raise).await.unwrap();
    assert_eq!(delete(&service, "/v1/instances/i", &[]).await.0, 200);
    assert_eq!(reruncount(&database, "original").await, 4);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn late_events_of_a_deleted_instance_are_dropped_and_a_later_rerun_is_recorded() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    record(&service, [start("i", 1_000), step("i", 0)]).await;
    assert_eq!(delete(&service, "/v1/instances/i", &[]).await.0, 200);

    let late = [
        start("i", 1_000),
        step("i", 1),
        end("i", Some(1_000), 1_009),
        end("i", None, 1_009),
    ];
    let ack = record(&service, late).await;
    assert_eq!((ack.recorded, ack.superseded), (0, 4), "{ack:?}");
    assert_eq!(rows(&client, "i").await, [0; 6]);

    let again = [start("i", LATER), step_at("i", 0, LATER)];
    assert_eq!(record(&service, again).await.recorded, 2);
    assert_eq!(rows(&client, "i").await, [1, 1, 0, 0, 0, 0]);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn events_of_a_clock_that_is_ahead_are_dropped_too() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let ahead = std::time::SystemTime::now() + Duration::from_hours(1);
    let ahead = ahead.duration_since(std::time::UNIX_EPOCH).unwrap();
    let ahead = i64::try_from(ahead.as_secs()).unwrap();
    record(&service, [start("i", ahead), step_at("i", 0, ahead)]).await;
    assert_eq!(delete(&service, "/v1/instances/i", &[]).await.0, 200);
    let ack = record(&service, [start("i", ahead), step_at("i", 0, ahead)]).await;
    assert_eq!(ack.superseded, 2, "{ack:?}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_writer_that_had_not_seen_the_deletion_brings_nothing_back() {
    a_late_writer(true, 4).await;
}

/// Its steps go straight into their table, and what is not as simple in a transaction behind them.
#[tokio::test]
async fn a_writer_that_had_seen_half_of_the_deletion_brings_nothing_back() {
    a_late_writer(false, 2).await;
}

async fn a_late_writer(resent: bool, recorded: u64) {
    let database = support::database().await;
    let client = database.client().await;
    let one = support::serve(&database.url, &[]).await;
    let other = support::serve(&database.url, &["--lanes", "1"]).await;
    record(&one, [start("i", 1_000), start("original", 900)]).await;
    support::hold(&client, "public.steps").await;
    let (mut slow, _) = Stream::greet(other.local_addr(), hello("orders")).await;
    let late = [
        step("i", 0),
        step("i", 1),
        rerun_of("original", "i", 1_001),
        end("i", Some(1_000), 1_002),
    ];
    slow.chunk_marked(resent, late).await;
    eventually("the writer is held", async || {
        let held = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
            where l.locktype = 'advisory' and not l.granted and a.datname = current_database()";
        client.query_one(held, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;

    assert_eq!(delete(&one, "/v1/instances/i", &[]).await.0, 200);
    // meanwhile it is run again
    assert_eq!(record(&one, [start("i", LATER)]).await.recorded, 1);
    support::release(&client).await;
    assert_eq!(slow.finish().await.recorded, recorded, "it did not see");

    eventually("only the new attempt is left", async || {
        rows(&client, "i").await == [1, 0, 0, 0, 0, 0]
    })
    .await;
    let attempt = "select extract(epoch from starttime)::bigint from public.flowstate
        where flowinstanceid = 'i'";
    assert_eq!(count(&database, attempt).await, LATER);
    assert_eq!(reruncount(&database, "original").await, 0);
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_with_deletions_bring_nothing_back() {
    let database = support::database().await;
    let client = database.client().await;
    // two that meet in a deadlock are told soon; without the right to set this the test is slow
    let soon = format!(
        "alter database {} set deadlock_timeout = '20ms'",
        database.name
    );
    let _ = client.batch_execute(&soon).await;
    let services = [
        support::serve(&database.url, &[]).await,
        support::serve(&database.url, &[]).await,
    ];
    let writing = async |service: &Running, from: i32| {
        let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
        for number in from..from + 150 {
            let round = 1_000 + i64::from(number % 3);
            let kinds = [
                start("i", round),
                step("i", number),
                step("j", number % 7),
                end("i", Some(round), round + 1),
                rerun_of("i", "j", round),
            ];
            stream.chunk(kinds).await;
            stream.ack().await;
        }
        stream.finish().await
    };
    let deleting = async {
        let mut deleted = 0;
        for round in 0..40 {
            let service = &services[round % 2];
            for id in ["i", "j"] {
                let (status, body) = delete(service, &format!("/v1/instances/{id}"), &[]).await;
                assert!(matches!(status, 200 | 404), "{status} {body}");
                deleted += u32::from(status == 200);
            }
        }
        deleted
    };
    let (_, _, deleted) = tokio::join!(
        writing(&services[0], 0),
        writing(&services[1], 75),
        deleting
    );
    assert!(deleted >= 2, "each was there at least once: {deleted}");
    eventually("nothing is left", async || {
        rows(&client, "i").await == [0; 6] && rows(&client, "j").await == [0; 6]
    })
    .await;
    for service in services {
        service.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_of_another_user_is_as_if_it_were_not_there() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    record(&service, [start("i", 1_000), step("i", 0)]).await;
    for path in ["/v1/instances/i", "/v1/instances/i/step/0"] {
        let (status, body) = delete(&service, path, &[("username", "zeta")]).await;
        assert_eq!(status, 404, "{path}");
        assert!(body.contains("instance i is not stored"), "{body}");
    }
    assert_eq!(rows(&client, "i").await, [1, 1, 0, 0, 0, 0]);
    for path in ["/v1/instances/i/step/0", "/v1/instances/i"] {
        let (status, body) = delete(&service, path, &[("username", "acme")]).await;
        assert_eq!((status, &*body), (200, ""), "{path}");
    }
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_deleted_and_the_caller_may_try_again() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let service = support::serve(&url, &["--connect-timeout", "2s"]).await;
    record(&service, [start("i", 1_000), step("i", 0)]).await;
    cluster.stop().await;
    for path in ["/v1/instances/i", "/v1/instances/i/step/0"] {
        let mut rest = Rest::new(service.local_addr());
        let (status, headers, body) = rest.request("DELETE", path, &[], b"").await;
        assert_eq!(
            (status, &headers["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        assert!(body.contains("try again"), "{body}");
    }
    cluster.start_again().await;
    let client = support::connect(&url).await;
    assert_eq!(rows(&client, "i").await, [1, 1, 0, 0, 0, 0]);
    eventually("deleted", async || {
        delete(&service, "/v1/instances/i", &[]).await.0 == 200
    })
    .await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_deletion_says_how_much_it_was_and_waits_for_a_lane_no_longer_than_it_should() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let chunk = [
        start("i", 1_000),
        start("i", 2_000),
        step_at("i", 0, 1_000),
        step_at("i", 0, 2_000),
        start("j", 1_000),
    ];
    record(&service, chunk).await;
    let lifecycle = Lifecycle::default();
    let (intake, mut lanes) = queue::queue(1, 1);
    let mut lane = lanes.remove(0);
    lifecycle.spawn(async move {
        // answers three, and then no more
        for _ in 0..3 {
            let part = lane.recv().await.unwrap();
            part.share.settle(Outcome::default());
        }
        drop(lane);
    });
    let eraser = Eraser::new(service.pool().clone(), intake);
    let expected = [
        (
            "i",
            Some(Deleted {
                attempts: 2,
                steps: 2,
            }),
        ),
        (
            "j",
            Some(Deleted {
                attempts: 1,
                steps: 0,
            }),
        ),
        ("k", None),
    ];
    for (id, deleted) in expected {
        assert_eq!(eraser.delete(id, None).await.unwrap(), deleted, "{id}");
    }
    let unsettled = eraser.delete("i", None).await;
    assert!(matches!(unsettled, Err(Error::Unsettled)), "{unsettled:?}");
    service.stop().await.unwrap();
}
