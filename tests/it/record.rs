//! `flowtrail record` and the stream it sends, against a recorder that follows a script.

use std::{
    net::SocketAddr,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use flowtrail::{
    cli::stream::{Event, Notice, Options, Sender},
    proto::{
        Ack, Chunk, Hello, RecordRequest, RecordResponse, Rejection, Welcome, record_request,
        record_response,
        recorder_server::{Recorder, RecorderServer},
    },
};
use futures_util::{Stream, StreamExt};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Endpoint};

const TRAFFIC: &str = include_str!("../../demo/recorder-traffic.jsonl");

/// A recorder that answers every chunk by itself, breaks once and rejects what it is told to.
#[derive(Clone, Default)]
struct Scripted {
    /// The first stream breaks when this chunk comes, unanswered.
    break_at: Option<u64>,
    /// Index in a chunk that is rejected.
    reject: Option<u32>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// What one stream brought.
#[derive(Clone, Default)]
struct Heard {
    hello: Hello,
    chunks: Vec<Chunk>,
}

impl Scripted {
    /// Listens on a free port until the set is dropped.
    async fn listen(&self) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let mut tasks = JoinSet::new();
        let serve = tonic::transport::Server::builder()
            .add_service(RecorderServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tasks.spawn(async move { serve.await.expect("the scripted recorder serves") });
        (address, tasks)
    }

    fn streams(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    fn answer(&self, stream: usize, chunk: Chunk) -> Result<Ack, Status> {
        let (sequence, events) = (chunk.sequence, chunk.events.len() as u64);
        let mut heard = self.heard.lock().expect("no panic");
        heard[stream].chunks.push(chunk);
        if stream == 0 && Some(sequence) == self.break_at {
            return Err(Status::unavailable("scripted"));
        }
        let rejections: Vec<_> = self
            .reject
            .filter(|index| u64::from(*index) < events)
            .map(|index| Rejection {
                sequence,
                index,
                reason: "flow_name: scripted".to_owned(),
                ..Rejection::default()
            })
            .into_iter()
            .collect();
        Ok(Ack {
            through_sequence: sequence,
            recorded: events - rejections.len() as u64,
            invalid: rejections.len() as u64,
            rejections,
            ..Ack::default()
        })
    }
}

#[tonic::async_trait]
impl Recorder for Scripted {
    type RecordStream = Pin<Box<dyn Stream<Item = Result<RecordResponse, Status>> + Send>>;

    async fn record(
        &self,
        request: Request<Streaming<RecordRequest>>,
    ) -> Result<Response<Self::RecordStream>, Status> {
        let stream = {
            let mut heard = self.heard.lock().expect("no panic");
            heard.push(Heard::default());
            heard.len() - 1
        };
        let this = self.clone();
        let answers = request.into_inner().map(move |request| {
            let message = match request?.message {
                Some(record_request::Message::Hello(hello)) => {
                    this.heard.lock().expect("no panic")[stream].hello = hello;
                    record_response::Message::Welcome(Welcome {
                        persistence_enabled: true,
                        max_chunk_bytes: 1 << 20,
                        max_event_bytes: 1 << 20,
                        max_chunk_events: 10_000,
                        max_unanswered_chunks: 4,
                    })
                }
                Some(record_request::Message::Chunk(chunk)) => {
                    record_response::Message::Ack(this.answer(stream, chunk)?)
                }
                None => return Err(Status::invalid_argument("no message")),
            };
            Ok(RecordResponse {
                message: Some(message),
            })
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn options(retry_for: Duration) -> Options {
    Options {
        hello: Hello {
            user: "u".to_owned(),
            app: "a".to_owned(),
            ..Hello::default()
        },
        chunk_events: 10,
        retry_for,
    }
}

#[tokio::test]
async fn what_a_broken_stream_did_not_answer_is_sent_again() {
    let server = Scripted {
        break_at: Some(3),
        ..Scripted::default()
    };
    let (address, _serving) = server.listen().await;
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("a URL")
        .connect_lazy();
    let (notices, mut told) = tokio::sync::mpsc::channel(1_000);
    let mut sender = Sender::open(channel, options(Duration::from_secs(30)), move |notice| {
        notices.try_send(notice).expect("room for every notice");
    });
    let sent: Vec<Bytes> = (0..100_u8).map(|n| Bytes::from(vec![n])).collect();
    for (tag, encoded) in (0..).zip(sent.clone()) {
        let event = Event { tag, encoded };
        sender.push(event).await.expect("the stream goes on");
    }
    let totals = sender.finish().await.expect("every event is answered");
    assert_eq!(
        (totals.events, totals.recorded, totals.unanswered),
        (100, 100, 0)
    );

    let streams = server.streams();
    assert_eq!(streams.len(), 2);
    let [first, second] = [&streams[0], &streams[1]].map(|stream| &stream.chunks);
    assert!(first.iter().all(|chunk| !chunk.resent));
    assert!(second[0].resent, "the broken chunk is marked");
    assert_eq!(second[0].events, first[2].events);
    let answered = first[..2]
        .iter()
        .chain(second)
        .flat_map(|chunk| &chunk.events);
    assert_eq!(answered.cloned().collect::<Vec<_>>(), sent);

    let mut interruptions = 0;
    while let Some(notice) = told.recv().await {
        interruptions += u32::from(matches!(notice, Notice::Interrupted { .. }));
    }
    assert_eq!(interruptions, 1);
}

#[tokio::test]
async fn without_a_server_every_event_is_unanswered() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = gone.local_addr().expect("its address");
    drop(gone);
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("a URL")
        .connect_lazy();
    let mut sender = Sender::open(channel, options(Duration::ZERO), |_| ());
    let mut refused = 0;
    for tag in 0..50 {
        let encoded = Bytes::from_static(b"x");
        refused += u64::from(sender.push(Event { tag, encoded }).await.is_err());
    }
    let failure = sender.finish().await.expect_err("nobody answers");
    assert!(refused > 0, "a stream that was given up takes nothing");
    assert_eq!((failure.totals.events, failure.totals.unanswered), (50, 50));
    assert_eq!(failure.cause.code(), tonic::Code::Unavailable);
}

/// Runs `flowtrail record` with these arguments and this standard input: status, stdout, stderr.
async fn record(server: SocketAddr, args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowtrail"));
    let mut child = command
        .args(["record", "--server", &format!("http://{server}")])
        .args(args)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .await
        .expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().expect("an exit status"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_played_many_times_under_fresh_ids() {
    let server = Scripted::default();
    let (address, _serving) = server.listen().await;
    let args = ["--repeat", "20", "--fresh-ids", "--output", "json"];
    let (status, stdout, stderr) = record(address, &args, TRAFFIC).await;
    assert_eq!((status, &*stderr), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report[0]["streams"], 1);
    assert_eq!(report[0]["events"], 780);
    assert_eq!(report[0]["recorded"], 780);
    assert_eq!(report[0]["ignored_snapshots"], 580);

    let streams = server.streams();
    let hello = &streams[0].hello;
    assert_eq!(
        [&*hello.user, &*hello.app, &*hello.app_version, &*hello.host],
        ["flogo", "orders", "1.2.0", "vm"]
    );
    let events = streams[0].chunks.iter().flat_map(|chunk| &chunk.events);
    let different: std::collections::HashSet<_> = events.collect();
    assert_eq!(different.len(), 780);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_is_named_by_its_line() {
    let server = Scripted {
        reject: Some(0),
        ..Scripted::default()
    };
    let (address, _serving) = server.listen().await;
    let (status, stdout, stderr) = record(address, &["--output", "json"], TRAFFIC).await;
    assert_eq!(status, 1);
    assert!(
        stderr.starts_with("flowtrail: standard input:1: rejected: flow_name: scripted\n"),
        "{stderr}"
    );
    assert!(stderr.contains("flowtrail: events rejected: "), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report[0]["events"], 39);
    assert_eq!(report[0]["invalid"], stderr.lines().count() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_with_a_broken_line_nothing_is_sent() {
    let server = Scripted::default();
    let (address, _serving) = server.listen().await;
    let (status, stdout, stderr) = record(address, &[], &format!("{TRAFFIC}{{}}\n")).await;
    assert_eq!((status, &*stdout), (2, ""));
    assert!(
        stderr.starts_with("flowtrail: standard input:69: not a request"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(server.streams().is_empty());
}
