//! Many streams that say nothing, and some that do not read: nobody else notices.

use std::{net::SocketAddr, time::Duration};

use flowtrail::proto::{
    Chunk, RecordRequest, RecordResponse, record_request::Message as Request,
    recorder_client::RecorderClient,
};
use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use crate::support::{self, Load, Program, SMALL, hello};

const IDLE: usize = 2_000;
/// Idle streams of one connection.
const SHARED: usize = 50;
const SLOW: usize = 50;
/// The load that must not notice.
const STREAMS: usize = 4;
/// How often throughput is looked at, and for how long.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_millis(500);
const ROUNDS: usize = 12;

/// A stream that was welcomed and says nothing.
type Idle = (mpsc::Sender<RecordRequest>, Streaming<RecordResponse>);

async fn idle(mut client: RecorderClient<Channel>, number: usize) -> Idle {
    let (requests, queue) = mpsc::channel(1);
    let message = Some(Request::Hello(hello(&format!("idle{}", number % 100))));
    let hello = RecordRequest { message };
    requests.send(hello).await.expect("room");
    let responses = client.record(ReceiverStream::new(queue)).await;
    let mut responses = responses.expect("a stream").into_inner();
    let welcome = responses.message().await.expect("no error");
    assert!(welcome.is_some(), "it was welcomed");
    (requests, responses)
}

async fn idle_streams(address: SocketAddr) -> Vec<Idle> {
    let mut streams = Vec::new();
    for _ in 0..IDLE / SHARED {
        let client = RecorderClient::connect(format!("http://{address}")).await;
        let client = client.expect("the service answers");
        let opening = stream::iter(0..SHARED).map(|number| idle(client.clone(), number));
        streams.extend(opening.buffer_unordered(10).collect::<Vec<_>>().await);
    }
    streams
}

/// Sends chunks whose acks are large, more than its connection holds, and reads none of them.
async fn push_unread(address: SocketAddr) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    // its connection holds little
    let endpoint = endpoint.initial_stream_window_size(16 << 10);
    let channel = endpoint.connect().await.expect("the service answers");
    let (requests, _unread) = idle(RecorderClient::new(channel), 0).await;
    for sequence in 1..=20 {
        let chunk = Chunk {
            sequence,
            resent: false,
            events: vec![bytes::Bytes::from_static(b"\x12\x00"); 1_000],
        };
        let message = Some(Request::Chunk(chunk));
        let sent = requests.send(RecordRequest { message }).await;
        sent.expect("its stream goes on");
    }
    std::future::pending::<()>().await;
}

/// Chunks acknowledged in a window, in the median of some.
async fn throughput(load: &Load) -> u64 {
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        let before = load.acked();
        tokio::time::sleep(WINDOW).await;
        windows.push(load.acked() - before);
    }
    windows.sort_unstable();
    windows[WINDOWS / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_idle_streams_and_fifty_that_do_not_read_harm_nobody() {
    let database = support::database().await;
    let flags = ["--database-url", &database.url, "--max-streams", "4096"];
    let mut program = Program::serve(&flags).await;
    let load = Load::start(program.address, "l", STREAMS, SMALL).await;
    load.progress(500).await;
    let before = throughput(&load).await;

    let idle = idle_streams(program.address).await;
    assert_eq!(idle.len(), IDLE);
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(push_unread(program.address));
    }
    // What it takes to get them all there is over at some time.
    let mut beside = 0;
    for _ in 0..ROUNDS {
        beside = beside.max(throughput(&load).await);
        if beside >= before * 7 / 10 {
            break;
        }
    }
    assert!(slow.try_join_next().is_none(), "they are still there");
    slow.shutdown().await;
    drop(idle);

    let mut after = before;
    if beside < before * 7 / 10 {
        // Perhaps the machine has become slower.
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS / 4 {
            rounds.push(throughput(&load).await);
        }
        after = rounds.into_iter().max().unwrap_or(before);
    }
    let least = before.min(after) * 7 / 10;
    let held = beside >= least && beside > 0;
    assert!(held, "{before}, {beside} beside them, {after} after");
    let ledgers = load.finish().await;
    assert!(ledgers.iter().all(|ledger| ledger.end.is_ok()));
    assert_eq!(program.terminate().await, Some(0));
}
