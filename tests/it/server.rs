//! The port: protocols, rubbish, limits and the stop.

mod limits;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use flowtrail::{
    lifecycle::Lifecycle,
    server::{self, Limits, Listener, Tls},
};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    service::Routes,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const PATIENCE: Duration = Duration::from_secs(10);
/// What a message may take here: more than a machine that others use too stands still.
const MESSAGE: Duration = Duration::from_secs(1);

/// More than any peer takes.
fn endless() -> Body {
    let piece = Bytes::from_static(&[b'x'; 16 << 10]);
    Body::from_stream(stream::repeat_with(move || {
        Ok::<_, Infallible>(piece.clone())
    }))
}

/// A loopback address of its own for each server, where nobody else is given the port of one that stopped.
fn host() -> IpAddr {
    static LAST: AtomicU16 = AtomicU16::new(0);
    let [high, low] = LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low).into()
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    lifecycle: Lifecycle,
}

impl Served {
    pub(crate) async fn start(tls: Option<Tls>, limits: Limits) -> Self {
        let lifecycle = Lifecycle::default();
        let listener = Listener::bind((host(), 0).into(), tls).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr();
        let (_reporter, health) = tonic_health::server::health_reporter();
        let router = Routes::new(health)
            .into_axum_router()
            .layer(server::patience(MESSAGE))
            .merge(Router::new().route("/hello", get(async || "hello")))
            .merge(Router::new().route("/endless", get(async || endless())));
        lifecycle.spawn(server::serve(listener, router, limits, lifecycle.clone()));
        Self { address, lifecycle }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// What HTTP/1.1 answers.
    async fn hello(&self) -> String {
        let mut stream = self.connect().await;
        let request = b"GET /hello HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("writes");
        let mut answer = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        read.expect("in time").expect("an answer");
        answer
    }

    pub(crate) async fn healthy(&self) -> bool {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        healthy(endpoint.expect("a URL").connect().await)
            .await
            .is_ok()
    }

    pub(crate) async fn stop(self) {
        self.lifecycle.stop();
        assert!(self.lifecycle.join(PATIENCE).await, "tasks were left");
        assert!(TcpStream::connect(self.address).await.is_err());
    }
}

pub(crate) async fn healthy(
    channel: Result<Channel, tonic::transport::Error>,
) -> Result<(), String> {
    let service = String::new();
    let mut client = HealthClient::new(channel.map_err(|error| format!("{error:?}"))?);
    let check = timeout(PATIENCE, client.check(HealthCheckRequest { service })).await;
    let check = check.expect("in time");
    check.map(drop).map_err(|status| format!("{status:?}"))
}

#[tokio::test]
async fn http1_and_http2_share_a_port() {
    let served = Served::start(None, Limits::new(8)).await;
    let answer = served.hello().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(served.healthy().await);
    served.stop().await;
}

#[tokio::test]
async fn random_bytes_harm_nobody_and_leave_nothing_behind() {
    let served = Served::start(None, Limits::new(32)).await;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..1000 {
        let mut bytes = Vec::new();
        for _ in 0..=(round % 40) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.extend(seed.to_le_bytes());
        }
        if round % 5 == 0 {
            bytes.splice(0..0, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        }
        let mut stream = served.connect().await;
        // The server may close before everything is written.
        let _ = stream.write_all(&bytes).await;
        if round % 3 == 0 {
            let mut answer = Vec::new();
            let _ = stream.shutdown().await;
            let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "a connection stays after {bytes:?}");
        }
    }
    assert!(served.healthy().await);
    assert!(served.hello().await.ends_with("hello"));
    served.stop().await;
}

#[tokio::test]
async fn who_says_nothing_loses_its_place() {
    let limits = Limits {
        opening: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        ..Limits::new(2)
    };
    let served = Served::start(None, limits).await;
    let mut silent = served.connect().await;
    let mut slow = served.connect().await;
    slow.write_all(b"PRI * HT").await.expect("writes");
    // Both places are taken: this one is answered when one is free again.
    assert!(served.hello().await.ends_with("hello"));
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "still open");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_stop_ends_idle_connections_of_every_protocol() {
    let served = Served::start(None, Limits::new(8)).await;
    let silent = served.connect().await;
    let mut kept = served.connect().await;
    let request = b"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n";
    kept.write_all(request).await.expect("writes");
    let mut first = [0; 15];
    kept.read_exact(&mut first).await.expect("an answer");
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address));
    let channel = endpoint.expect("a URL").connect().await.expect("HTTP/2");
    healthy(Ok(channel.clone())).await.expect("healthy");
    let begun = Instant::now();
    served.stop().await;
    // Sooner than any of them would have been closed for being idle.
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    drop((silent, kept, channel));
}

#[tokio::test]
async fn a_message_that_stops_in_the_middle_is_told_so() {
    let served = Served::start(None, Limits::new(8)).await;
    let mut stream = served.connect().await;
    let head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: here\r\n\
        content-type: application/grpc\r\ncontent-length: 100\r\nconnection: close\r\n\r\n";
    let begun = [head.as_bytes(), &[0, 0, 0, 0, 95, 10]].concat();
    stream.write_all(&begun).await.expect("writes");
    let mut answer = vec![0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await;
    let length = read.expect("in time").expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.contains("grpc-status: 4"), "{answer}");
    assert!(served.healthy().await);
    served.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_remedy() {
    let served = Served::start(None, Limits::new(8)).await;
    let again = Listener::bind(served.address, None).await;
    let error = again.expect_err("taken").to_string();
    let address = served.address.to_string();
    assert!(
        error.contains(&address) && error.contains("another port"),
        "{error}"
    );
    served.stop().await;
}
