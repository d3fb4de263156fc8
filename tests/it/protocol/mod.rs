//! The conversation of a recorder stream: what it answers, and what ends it.

mod columns;
mod invalid;
mod pressure;
mod times;

use flowtrail::{
    app::Running,
    proto::{
        Chunk, Hello, RecordRequest, record_request::Message as Request,
        recorder_client::RecorderClient,
    },
};
use tonic::Code;

use crate::support::{self, Stream, count, end, events, hello, start, step};

#[tokio::test]
async fn a_stream_is_welcomed_acknowledged_and_ends_ok() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, welcome) = Stream::greet(service.local_addr(), hello("orders")).await;
    assert!(welcome.persistence_enabled);
    assert_eq!(welcome.max_chunk_bytes, 1 << 20);
    assert_eq!(welcome.max_event_bytes, 1 << 20);
    assert_eq!(welcome.max_chunk_events, 10_000);
    assert_eq!(welcome.max_unanswered_chunks, 256);
    stream
        .chunk([start("i1", 999), step("i1", 0), step("i1", 1)])
        .await;
    let ack = stream.ack().await;
    assert_eq!((ack.through_sequence, ack.recorded), (1, 3));
    stream.chunk([end("i1", Some(999), 1_001)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    let client = database.client().await;
    let row = client
        .query_one("select executiontime, reruncount from flowstate", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), (Some("2000.000"), Some(0)));
    service.stop().await.unwrap();
}

fn chunk(sequence: u64, events: Vec<bytes::Bytes>) -> RecordRequest {
    let chunk = Chunk {
        sequence,
        resent: false,
        events,
    };
    RecordRequest {
        message: Some(Request::Chunk(chunk)),
    }
}

fn greeting(hello: Hello) -> RecordRequest {
    RecordRequest {
        message: Some(Request::Hello(hello)),
    }
}

async fn say(stream: &Stream, request: RecordRequest) {
    let requests = stream.requests.as_ref().expect("not half-closed");
    // a server that has ended the stream says why in its last response
    let _ = requests.send(request).await;
}

type Field = fn(&mut Hello) -> &mut String;

#[tokio::test]
async fn a_stream_begins_with_a_hello_that_can_be_stored() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let check = async |first: Option<RecordRequest>, field: &str| {
        let mut stream = Stream::open(service.local_addr()).await;
        match first {
            Some(first) => say(&stream, first).await,
            None => stream.requests = None,
        }
        let status = stream.next().await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(status.message().contains(field), "{field}: {status:?}");
    };
    check(Some(chunk(1, events([step("i1", 0)]))), "hello").await;
    check(Some(RecordRequest { message: None }), "hello").await;
    check(None, "hello").await;

    let fields: [(&str, Field, bool); 5] = [
        ("hello.user", |hello| &mut hello.user, true),
        ("hello.app", |hello| &mut hello.app, true),
        ("hello.app_version", |hello| &mut hello.app_version, false),
        ("hello.host", |hello| &mut hello.host, false),
        ("hello.client", |hello| &mut hello.client, false),
    ];
    let with = |field: Field, text: &str| {
        let mut hello = hello("orders");
        text.clone_into(field(&mut hello));
        greeting(hello)
    };
    for (name, field, required) in fields {
        check(Some(with(field, "a\0b")), name).await;
        check(Some(with(field, &"ä".repeat(257))), name).await;
        if required {
            check(Some(with(field, "")), name).await;
        }
        let mut longest = hello("orders");
        *field(&mut longest) = "ä".repeat(256);
        Stream::greet(service.local_addr(), longest).await;
    }
    let mut shortest = hello("orders");
    (shortest.app_version, shortest.host, shortest.client) = Default::default();
    let (mut stream, _) = Stream::greet(service.local_addr(), shortest).await;
    stream.chunk([start("i1", 1)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    let empty = "select count(*) from flowstate where hostid = '' and appversion = ''";
    assert_eq!(count(&database, empty).await, 1);
    service.stop().await.unwrap();
}

/// Says `wrong` behind a good chunk of sequence 5.
async fn check_wrong(service: &Running, wrong: RecordRequest, names: &str) {
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let good = events([step(&uuid::Uuid::new_v4().to_string(), 0)]);
    stream.chunk_as(5, good.clone()).await;
    say(&stream, wrong).await;
    say(&stream, chunk(u64::MAX, good)).await;
    let rest = tokio::time::timeout(std::time::Duration::from_secs(10), stream.rest()).await;
    let (acks, end) = rest.unwrap_or_else(|_| panic!("no end within 10 s: {names}"));
    let status = end.expect_err(names);
    assert_eq!(status.code(), Code::InvalidArgument, "{names}: {status:?}");
    assert!(status.message().contains(names), "{names}: {status:?}");
    assert_eq!((acks.through_sequence, acks.recorded), (5, 1), "{names}");
}

#[tokio::test]
async fn a_wrong_conversation_ends_the_stream_and_what_was_acknowledged_stays() {
    let database = support::database().await;
    let flags = ["--max-chunk-bytes", "64KiB", "--max-event-bytes", "64KiB"];
    let service = support::serve(&database.url, &flags).await;
    let many = |count| vec![bytes::Bytes::from_static(&[0]); count];
    let large = || vec![bytes::Bytes::from(vec![0; 65_600])];
    let wrong = [
        (greeting(hello("orders")), "hello"),
        (RecordRequest { message: None }, "neither"),
        (chunk(5, vec![]), "chunk.sequence"),
        (chunk(4, vec![]), "chunk.sequence"),
        (chunk(0, vec![]), "chunk.sequence"),
        (chunk(6, many(10_001)), "max_chunk_events"),
        (chunk(6, large()), "max_chunk_bytes"),
        (chunk(6, [large(), large()].concat()), "max_chunk_bytes"),
    ];
    let cases = i64::try_from(wrong.len()).unwrap();
    for (wrong, names) in wrong {
        check_wrong(&service, wrong, names).await;
    }
    assert_eq!(count(&database, "select count(*) from steps").await, cases);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn sequences_may_have_gaps_and_chunks_may_be_empty() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for sequence in [3, 4, 1_000, u64::MAX - 1] {
        stream.chunk_as(sequence, vec![]).await;
        let ack = stream.ack().await;
        assert_eq!(ack.through_sequence, sequence);
        assert_eq!(ack.recorded + ack.skipped + ack.superseded + ack.invalid, 0);
    }
    stream.chunk_as(u64::MAX, events([step("i1", 0)])).await;
    let ack = stream.finish().await;
    assert_eq!((ack.through_sequence, ack.recorded), (u64::MAX, 1));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_chunk_may_hold_as_many_events_as_the_welcome_says() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, welcome) = Stream::greet(service.local_addr(), hello("orders")).await;
    let most = i32::try_from(welcome.max_chunk_events).unwrap();
    stream
        .chunk((0..most).map(|number| step("i1", number)))
        .await;
    let ack = stream.finish().await;
    assert_eq!(ack.recorded, u64::from(welcome.max_chunk_events));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn events_that_are_sent_again_are_superseded() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let all = || {
        events([
            start("i1", 999),
            step("i1", 0),
            step("i1", 1),
            end("i1", Some(999), 1_001),
            end("i2", Some(5), 6),
            start("i3", 7),
        ])
    };
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk_as(1, all()).await;
    assert_eq!(stream.ack().await.recorded, 6);
    for (sequence, resent) in [(2, false), (3, true)] {
        let again = Chunk {
            sequence,
            resent,
            events: all(),
        };
        stream.say(Request::Chunk(again)).await;
        let ack = stream.ack().await;
        assert_eq!((ack.recorded, ack.superseded), (0, 6), "resent: {resent}");
    }
    let twice = events([step("i4", 0), step("i4", 0), step("i1", 1)]);
    stream.chunk_as(4, twice).await;
    let ack = stream.finish().await;
    assert_eq!((ack.recorded, ack.superseded), (1, 2), "within one chunk");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_ended() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut stream = Stream::open(service.local_addr()).await;
    let status = stream.next().await.expect_err("no hello came");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("hello"), "{status:?}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_gone_leaves_its_place_while_the_database_is_locked() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute("begin; lock table public.steps")
        .await
        .unwrap();
    let service = support::serve(&database.url, &["--max-streams", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk([step("i", 0)]).await;
    let waits = "select exists (select from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database())";
    support::eventually("a lane that waits", async || {
        client
            .query_one(waits, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    })
    .await;
    drop(stream);
    let address = service.local_addr();
    support::eventually("the place", async || {
        let mut client = RecorderClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        client.record(tokio_stream::pending()).await.is_ok()
    })
    .await;
    client.batch_execute("commit").await.unwrap();
    service.stop().await.unwrap();
    let stored = client.query_one("select count(*) from steps", &[]).await;
    assert_eq!(
        stored.unwrap().get::<_, i64>(0),
        1,
        "what it sent is written"
    );
}
