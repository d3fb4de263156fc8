//! A stream that waits: for its client, for the database, and for the end of the server.

use std::{net::SocketAddr, time::Duration};

use flowtrail::proto::{Ack, Chunk, StepRecorded, event::Kind, record_request::Message as Request};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{self, Stream, count, eventually, hello, metric, step, time};

/// A step whose row takes more than 10,000 bytes.
fn heavy(instance: &str, number: i32) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: instance.into(),
        step_id: number,
        start_time: time(1_000),
        step_data: Some(vec![b'x'; 10_000].into()),
        ..StepRecorded::default()
    })
}

#[tokio::test]
async fn so_many_chunks_are_unanswered_as_the_welcome_says() {
    let database = support::database().await;
    let flags = ["--max-unanswered-chunks", "4"];
    let service = support::serve(&database.url, &flags).await;
    let (mut stream, welcome) = Stream::greet(service.local_addr(), hello("orders")).await;
    assert_eq!(welcome.max_unanswered_chunks, 4);
    let held = async || metric(service.local_addr(), "flowtrail_ingest_queue_bytes").await;
    let client = database.client().await;
    let lock = "begin; lock table public.steps in access exclusive mode";
    client.batch_execute(lock).await.unwrap();
    for number in 0..20 {
        stream.chunk([heavy("i1", number)]).await;
    }
    eventually("four chunks are held", async || held().await > 40_000).await;
    // whatever would be read beyond is read by now
    let later = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(
        later.is_err(),
        "an answer before the lock is gone: {later:?}"
    );
    assert!(held().await < 50_000, "{} bytes", held().await);
    client.batch_execute("rollback").await.unwrap();
    assert_eq!(stream.finish().await.recorded, 20);
    eventually("all is given back", async || held().await == 0).await;
    service.stop().await.unwrap();
}

/// So many large acks are more than what connections hold.
const CHUNKS: u64 = 150;

/// A chunk of events that are all rejected, which makes its ack a large one.
fn rejected(sequence: u64) -> Request {
    Request::Chunk(Chunk {
        sequence,
        resent: false,
        events: vec![bytes::Bytes::from_static(b"\x12\x00"); 5_000],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_acks_holds_nobody_up() {
    let database = support::database().await;
    let flags = ["--max-unanswered-chunks", "16"];
    let service = support::serve(&database.url, &flags).await;
    let (slow, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let requests = slow.requests.clone().expect("open");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for sequence in 1..=CHUNKS {
            let message = Some(rejected(sequence));
            let request = flowtrail::proto::RecordRequest { message };
            requests.send(request).await.expect("the stream goes on");
        }
    });
    let answered = r#"flowtrail_ingest_events_total{outcome="invalid"}"#;
    let mut last = 0;
    eventually("the slow stream stands", async || {
        let now = metric(service.local_addr(), answered).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::mem::replace(&mut last, now) == now && now > 0
    })
    .await;
    assert!(
        (last as u64) < 5_000 * CHUNKS,
        "its server stopped reading it"
    );

    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for number in 0..50 {
        stream.chunk([step("i1", number)]).await;
        assert_eq!(stream.ack().await.recorded, 1);
    }
    stream.finish().await;
    let acks = slow.finish().await;
    assert_eq!(acks.invalid, 5_000 * CHUNKS, "once it reads, it gets all");
    assert_eq!(acks.rejections.len() as u64, 5_000 * CHUNKS);
    tasks.join_all().await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_half_close_every_ack_comes_and_then_ok() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let client = database.client().await;
    let lock = "begin; lock table public.steps in access exclusive mode";
    client.batch_execute(lock).await.unwrap();
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for number in 0..60 {
        stream.chunk([step("i1", number)]).await;
    }
    stream.requests = None;
    let early = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
    assert!(early.is_err(), "nothing is stored yet: {early:?}");
    client.batch_execute("rollback").await.unwrap();
    let (acks, end) = stream.rest().await;
    end.expect("OK");
    assert_eq!((acks.through_sequence, acks.recorded), (60, 60));
    service.stop().await.unwrap();
}

/// Sends chunks of ten steps until the stream ends; answers with what was acknowledged.
async fn send_to_the_end(
    address: SocketAddr,
    instance: String,
    first: tokio::sync::mpsc::Sender<()>,
) -> (String, Ack, tonic::Status) {
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    let requests = stream.requests.take().expect("open");
    let mut sending = JoinSet::new();
    let name = instance.clone();
    sending.spawn(async move {
        for sequence in 1..100_000 {
            let number = |at| i32::try_from(sequence).expect("small") * 10 + at;
            let steps = (0..10).map(|at| step(&name, number(at)));
            let chunk = Chunk {
                sequence,
                resent: false,
                events: support::events(steps),
            };
            let message = Some(Request::Chunk(chunk));
            let request = flowtrail::proto::RecordRequest { message };
            if requests.send(request).await.is_err() {
                return;
            }
        }
    });
    let begun = stream.ack().await;
    let _ = first.send(()).await;
    let (mut acks, end) = stream.rest().await;
    acks.through_sequence = acks.through_sequence.max(begun.through_sequence);
    acks.recorded += begun.recorded;
    (instance, acks, end.expect_err("a stop ends the stream"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_the_last_acks_and_what_they_say_is_stored() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (first, mut firsts) = tokio::sync::mpsc::channel(8);
    let mut streams = JoinSet::new();
    for number in 0..4 {
        let address = service.local_addr();
        streams.spawn(send_to_the_end(
            address,
            format!("s{number}"),
            first.clone(),
        ));
    }
    for _ in 0..4 {
        firsts.recv().await.expect("every stream gets an ack");
    }
    let stopped = service.stop();
    let (streams, stopped) = tokio::join!(streams.join_all(), stopped);
    stopped.expect("a clean stop");
    for (instance, acks, end) in streams {
        assert_eq!(end.code(), Code::Unavailable, "{end:?}");
        assert_eq!(acks.recorded, acks.through_sequence * 10, "{instance}");
        let last = acks.through_sequence * 10 + 9;
        let acknowledged = format!(
            "select count(*) from steps where flowinstanceid = '{instance}' and stepid::int <= {last}"
        );
        let stored = count(&database, &acknowledged).await;
        assert_eq!(u64::try_from(stored).unwrap(), acks.recorded, "{instance}");
        let all = format!("select count(*) from steps where flowinstanceid = '{instance}'");
        assert_eq!(
            count(&database, &all).await,
            stored,
            "what was taken was answered"
        );
    }
}
