//! The conversation of a recorder stream: what it answers, and what ends it.

use flowtrail::proto::{FlowEnded, FlowStarted, event::Kind, record_request::Message as Request};
use tonic::Code;

use crate::support::{self, Stream, hello, step, time};

#[tokio::test]
async fn a_stream_is_welcomed_acknowledged_and_ends_ok() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, welcome) = Stream::greet(service.local_addr(), hello("orders")).await;
    assert!(welcome.persistence_enabled);
    assert_eq!(welcome.max_chunk_bytes, 1 << 20);
    stream
        .chunk([
            Kind::Started(FlowStarted {
                instance_id: "i1".into(),
                start_time: time(999),
                ..FlowStarted::default()
            }),
            step("i1", 0),
            step("i1", 1),
        ])
        .await;
    let ack = stream.ack().await;
    assert_eq!((ack.through_sequence, ack.recorded), (1, 3));
    stream
        .chunk([Kind::Ended(FlowEnded {
            instance_id: "i1".into(),
            start_time: time(999),
            end_time: time(1_001),
            ..FlowEnded::default()
        })])
        .await;
    assert_eq!(stream.finish().await.recorded, 1);
    let client = database.client().await;
    let row = client
        .query_one("select executiontime, reruncount from flowstate", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), (Some("2000.000"), Some(0)));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_conversation_ends_the_stream_and_names_what_is_wrong() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut stream = Stream::open(service.local_addr()).await;
    stream.chunk([step("i1", 0)]).await;
    let status = stream.next().await.expect_err("no hello");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("hello"), "{status:?}");

    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk([step("i1", 0)]).await;
    assert_eq!(stream.ack().await.recorded, 1);
    stream.say(Request::Hello(hello("orders"))).await;
    let status = stream.next().await.expect_err("a second hello");
    assert_eq!(status.code(), Code::InvalidArgument);
    let stored = database
        .client()
        .await
        .query_one("select count(*) from steps", &[])
        .await;
    assert_eq!(
        stored.unwrap().get::<_, i64>(0),
        1,
        "what was acknowledged stays"
    );
    service.stop().await.unwrap();
}
