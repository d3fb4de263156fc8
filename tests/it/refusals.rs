//! Rows that the database refuses: one is found among many and told to its sender; a table that
//! refuses everything refuses nothing.

use std::time::Duration;

use bytes::Bytes;
use flowtrail::{
    app::Running,
    proto::{
        Ack, Chunk, FlowStarted, RecordRequest, RejectionCode, StepRecorded, event::Kind,
        record_request::Message as Request,
    },
};
use tokio::task::JoinSet;

use crate::support::{self, Stream, TestDatabase, count, events, eventually, hello, http, time};

const CHUNKS: u64 = 10;
const EVENTS: u32 = 1_000;

/// A batch waits until it is full: 10,000 rows are one batch.
const ONE_BATCH: [&str; 6] = ["--lanes", "1", "--batch-rows", "10000", "--linger", "1m"];

const NO_POISON: &str = "
    alter table public.steps add constraint no_poison check (taskname <> 'poison');
    alter table public.flowstate add constraint no_poison_flow check (flowname <> 'poison')";

const POISON_AGAIN: &str = "
    alter table public.steps drop constraint no_poison;
    alter table public.flowstate drop constraint no_poison_flow";

fn step(sequence: u64, index: u32, task: &str) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: format!("i{sequence}"),
        step_id: i32::try_from(index).unwrap(),
        start_time: time(1_000),
        task_name: Some(task.into()),
        ..StepRecorded::default()
    })
}

fn start(sequence: u64, index: u32, flow: &str) -> Kind {
    Kind::Started(FlowStarted {
        instance_id: format!("i{sequence}-{index}"),
        start_time: time(1_000),
        flow_name: Some(flow.into()),
        ..FlowStarted::default()
    })
}

type Event = fn(u64, u32, &str) -> Kind;

/// A chunk whose events at `poisoned` the database refuses.
fn chunk(sequence: u64, resent: bool, poisoned: &[(u64, u32)], event: Event) -> Chunk {
    let name = |at| {
        if poisoned.contains(&at) {
            "poison"
        } else {
            "t"
        }
    };
    let kinds = (0..EVENTS).map(|index| event(sequence, index, name((sequence, index))));
    Chunk {
        sequence,
        resent,
        events: events(kinds),
    }
}

/// Ten chunks in one batch: everything but `poisoned` is stored.
async fn check(resent: bool, event: Event, poisoned: &[(u64, u32)]) {
    let database = support::database().await;
    let client = database.client().await;
    client.batch_execute(NO_POISON).await.unwrap();
    let service = support::serve(&database.url, &ONE_BATCH).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for sequence in 1..=CHUNKS {
        let chunk = chunk(sequence, resent, poisoned, event);
        stream.say(Request::Chunk(chunk)).await;
    }
    let ack = stream.finish().await;
    let all = CHUNKS * u64::from(EVENTS);
    assert_eq!(ack.recorded, all - poisoned.len() as u64);
    assert_eq!(ack.invalid, poisoned.len() as u64);
    let found: Vec<_> = ack
        .rejections
        .iter()
        .map(|rejection| (rejection.sequence, rejection.index))
        .collect();
    assert_eq!(found, poisoned);
    for rejection in &ack.rejections {
        assert_eq!(rejection.code(), RejectionCode::RefusedByDatabase);
        assert!(rejection.reason.contains("23514"), "{rejection:?}");
    }
    let stored = "select (select count(*) from steps) + (select count(*) from flowstate)";
    let stored = count(&database, stored).await;
    assert_eq!(u64::try_from(stored).unwrap(), ack.recorded);
    let (_, metrics) = http(service.local_addr(), "/metrics").await.unwrap();
    assert!(
        metrics.contains("flowtrail_ingest_batch_rows_count 1\n"),
        "{metrics}"
    );
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_step_of_ten_thousand_costs_nobody_else_anything() {
    check(false, step, &[(4, 321)]).await;
    check(true, step, &[(10, 999)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_start_of_ten_thousand_costs_nobody_else_anything() {
    check(false, start, &[(1, 0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_to_eight_rows_are_refused_for_one_cause() {
    check(false, step, &[(2, 0), (2, 1)]).await;
    let eight: Vec<_> = (1..=8).map(|sequence| (sequence, 7 * 11)).collect();
    check(true, step, &eight).await;
    check(false, start, &eight).await;
}

/// `GET /readyz`.
async fn readyz(service: &Running) -> (u16, String) {
    http(service.local_addr(), "/readyz")
        .await
        .expect("an answer")
}

async fn in_trouble(service: &Running) {
    eventually("the lane waits for an operator", async || {
        readyz(service).await.1.contains("down")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_rows_refused_for_one_cause_are_the_tables_fault() {
    let nine: Vec<_> = (1..=9).map(|sequence| (sequence, 500)).collect();
    for event in [step as Event, start] {
        let database = support::database().await;
        let client = database.client().await;
        client.batch_execute(NO_POISON).await.unwrap();
        let service = support::serve(&database.url, &ONE_BATCH).await;
        let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
        for sequence in 1..=CHUNKS {
            let chunk = chunk(sequence, false, &nine, event);
            stream.say(Request::Chunk(chunk)).await;
        }
        in_trouble(&service).await;
        let early = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
        assert!(early.is_err(), "nothing is refused: {early:?}");
        client.batch_execute(POISON_AGAIN).await.unwrap();
        let ack = stream.finish().await;
        assert_eq!((ack.recorded, ack.invalid), (CHUNKS * u64::from(EVENTS), 0));
        eventually("up", async || readyz(&service).await.1.contains("\"up\"")).await;
        service.stop().await.unwrap();
    }
}

/// Chunks sent to a table that takes nothing: more than the queue holds.
const SENT: u64 = 40;

/// Fills the queue of a service whose table a DBA has given a column that must not be null, and
/// takes the column away again.
async fn check_not_null(table: &str, event: fn(u64, u32) -> Kind) -> TestDatabase {
    let database = support::database().await;
    let client = database.client().await;
    let alter = |what: &str| format!("alter table public.{table} {what}");
    let add = alter("add column audit text not null");
    client.batch_execute(&add).await.unwrap();
    let flags = ["--queue-bytes", "4MiB", "--no-spool"];
    let service = support::serve(&database.url, &flags).await;
    assert_eq!(readyz(&service).await.0, 200);
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let requests = stream.requests.take().expect("open");
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        // small chunks first: even a batch of one row must not be refused
        for sequence in 1..=SENT {
            let count = if sequence < 10 { 1 } else { 20 };
            let chunk = Chunk {
                sequence,
                resent: false,
                events: events((0..count).map(|index| event(sequence, index))),
            };
            let message = Some(Request::Chunk(chunk));
            requests.send(RecordRequest { message }).await.unwrap();
        }
    });
    eventually("not ready", async || readyz(&service).await.0 == 503).await;
    let (_, body) = readyz(&service).await;
    assert!(body.contains("not null"), "{body}");
    let early = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
    assert!(early.is_err(), "nothing is refused: {early:?}");
    client
        .batch_execute(&alter("drop column audit"))
        .await
        .unwrap();
    eventually("ready", async || readyz(&service).await.0 == 200).await;
    let ack = stream.finish().await;
    sending.join_all().await;
    let expected = Ack {
        through_sequence: SENT,
        recorded: 9 + 31 * 20,
        ..Ack::default()
    };
    assert_eq!(ack, expected);
    service.stop().await.unwrap();
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_must_not_be_null_refuses_nothing_and_is_waited_for() {
    fn payload() -> Bytes {
        vec![b'x'; 20_000].into()
    }
    let database = check_not_null("steps", |sequence, index| {
        Kind::Step(StepRecorded {
            instance_id: format!("i{sequence}"),
            step_id: i32::try_from(index).unwrap(),
            start_time: time(1_000),
            step_data: Some(payload()),
            ..StepRecorded::default()
        })
    })
    .await;
    assert_eq!(count(&database, "select count(*) from steps").await, 629);
    let database = check_not_null("flowstate", |sequence, index| {
        Kind::Started(FlowStarted {
            instance_id: format!("i{sequence}-{index}"),
            start_time: time(1_000),
            flow_input: Some(payload()),
            ..FlowStarted::default()
        })
    })
    .await;
    assert_eq!(
        count(&database, "select count(*) from flowstate").await,
        629
    );
}
