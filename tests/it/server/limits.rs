//! What one peer may have of the server, and how long it may take.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use flowtrail::server::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{PATIENCE, Served};

/// Soon, for a limit that is tried out; more than a machine that others use too stands still.
const SOON: Duration = Duration::from_secs(1);

/// Kinds of HTTP/2 frames (RFC 9113, section 6).
const SETTINGS: u8 = 4;
const PING: u8 = 6;

/// An HTTP/2 connection that sends its preface and settings, and then nothing.
async fn mute(served: &Served) -> TcpStream {
    let mut stream = served.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.expect("writes");
    stream
}

/// The next frame: its kind and content; none at the end.
async fn frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    let read = timeout(PATIENCE, stream.read_exact(&mut head)).await;
    read.expect("still open").ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut content = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut content).await.ok()?;
    Some((head[3], content))
}

async fn channel(served: &Served) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address));
    endpoint.expect("a URL").connect().await.expect("HTTP/2")
}

fn check() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

#[tokio::test]
async fn a_peer_is_told_what_it_may_send() {
    let served = Served::start(None, Limits::new(8)).await;
    let mut stream = mute(&served).await;
    let (kind, content) = frame(&mut stream).await.expect("settings");
    assert_eq!(kind, SETTINGS);
    let settings: HashMap<u16, u32> = content
        .chunks_exact(6)
        .map(|setting| {
            let (name, value) = setting.split_at(2);
            let name = u16::from_be_bytes(name.try_into().unwrap());
            (name, u32::from_be_bytes(value.try_into().unwrap()))
        })
        .collect();
    let (streams, window, headers) = (settings[&3], settings[&4], settings[&6]);
    assert_eq!((streams, window, headers), (64, 256 << 10, 16 << 10));
    drop(stream);
    served.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_a_ping_is_taken_for_gone() {
    let limits = Limits {
        ping: SOON,
        ..Limits::new(1)
    };
    let served = Served::start(None, limits).await;
    let begun = Instant::now();
    let mut stream = mute(&served).await;
    let mut pinged = false;
    while let Some((kind, _)) = frame(&mut stream).await {
        pinged |= kind == PING;
    }
    assert!(pinged, "it was asked");
    assert!(begun.elapsed() >= SOON * 2);
    let mut client = HealthClient::new(channel(&served).await);
    let mut watching = client.watch(check()).await.expect("healthy").into_inner();
    watching.message().await.expect("the first status");
    let quiet = timeout(SOON * 5, watching.message()).await;
    assert!(quiet.is_err(), "one that answers pings stays: {quiet:?}");
    drop((watching, client));
    served.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_large_cost_their_request_only() {
    let served = Served::start(None, Limits::new(8)).await;
    let mut client = HealthClient::new(channel(&served).await);
    let mut request = Request::new(check());
    let long = "x".repeat(20 << 10).parse().expect("a header");
    request.metadata_mut().insert("long", long);
    let refused = timeout(PATIENCE, client.check(request)).await;
    refused.expect("in time").expect_err("too large");
    client.check(check()).await.expect("the next is answered");

    let mut stream = served.connect().await;
    let request = format!(
        "GET /hello HTTP/1.1\r\nhost: here\r\nlong: {}\r\n\r\n",
        "x".repeat(100 << 10)
    );
    // The server may answer before everything is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = vec![0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await;
    let length = read.expect("in time").expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    served.stop().await;
}

#[tokio::test]
async fn further_streams_of_a_connection_wait_for_a_place() {
    let served = Served::start(None, Limits::new(8)).await;
    let mut client = HealthClient::new(channel(&served).await);
    let mut open = Vec::new();
    for _ in 0..64 {
        let watching = timeout(PATIENCE, client.watch(check())).await;
        open.push(watching.expect("in time").expect("a stream"));
    }
    let waiting = timeout(SOON, client.check(check())).await;
    assert!(waiting.is_err(), "one more than the server allows");
    assert!(served.healthy().await, "other connections have their own");
    open.pop();
    let next = timeout(PATIENCE, client.check(check())).await;
    next.expect("in time").expect("a place");
    drop(open);
    served.stop().await;
}

#[tokio::test]
async fn who_does_not_read_loses_its_place() {
    let limits = Limits {
        unread: SOON,
        ..Limits::new(1)
    };
    let served = Served::start(None, limits).await;
    let mut deaf = served.connect().await;
    let request = b"GET /endless HTTP/1.1\r\nhost: here\r\n\r\n";
    deaf.write_all(request).await.expect("writes");
    // The only place is taken: this one is answered when it is free again.
    assert!(served.hello().await.ends_with("hello"));
    served.stop().await;
}
