//! A recorder stream driven by hand, message by message.

use std::net::SocketAddr;

use flowtrail::proto::{
    Ack, Chunk, Event, FlowEnded, FlowStarted, Hello, RecordRequest, RecordResponse, StepRecorded,
    Welcome, event::Kind, record_request::Message as Request, record_response::Message as Response,
    recorder_client::RecorderClient,
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Both halves of a stream.
pub(crate) struct Stream {
    /// Dropping it half-closes.
    pub(crate) requests: Option<mpsc::Sender<RecordRequest>>,
    pub(crate) responses: Streaming<RecordResponse>,
    sequence: u64,
}

/// A hello of `acme` from one host.
pub(crate) fn hello(app: &str) -> Hello {
    Hello {
        user: "acme".into(),
        app: app.into(),
        app_version: "1.0.0".into(),
        host: "desk-1".into(),
        client: "test".into(),
    }
}

/// `kinds` as the encoded events of a chunk.
pub(crate) fn events(kinds: impl IntoIterator<Item = Kind>) -> Vec<bytes::Bytes> {
    let encode = |kind| Event { kind: Some(kind) }.encode_to_vec().into();
    kinds.into_iter().map(encode).collect()
}

/// A moment, in seconds since 1970.
#[expect(clippy::unnecessary_wraps, reason = "the type of the events' fields")]
pub(crate) fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

/// Step `number` of an instance.
pub(crate) fn step(instance: &str, number: i32) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: instance.into(),
        step_id: number,
        start_time: time(1_000),
        ..StepRecorded::default()
    })
}

/// The start of an instance.
pub(crate) fn start(instance: &str, seconds: i64) -> Kind {
    Kind::Started(FlowStarted {
        instance_id: instance.into(),
        start_time: time(seconds),
        ..FlowStarted::default()
    })
}

/// The end of an instance, of the attempt that began at `start` or of the newest.
pub(crate) fn end(instance: &str, start: Option<i64>, seconds: i64) -> Kind {
    Kind::Ended(FlowEnded {
        instance_id: instance.into(),
        start_time: start.and_then(time),
        end_time: time(seconds),
        ..FlowEnded::default()
    })
}

impl Stream {
    /// A stream without a hello.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut client = RecorderClient::connect(format!("http://{address}"))
            .await
            .expect("the service answers");
        let (requests, queue) = mpsc::channel(4);
        let responses = client
            .record(ReceiverStream::new(queue))
            .await
            .expect("a stream");
        Self {
            requests: Some(requests),
            responses: responses.into_inner(),
            sequence: 0,
        }
    }

    /// A stream that has said hello and was welcomed.
    pub(crate) async fn greet(address: SocketAddr, hello: Hello) -> (Self, Welcome) {
        let mut stream = Self::open(address).await;
        stream.say(Request::Hello(hello)).await;
        match stream.next().await {
            Ok(Some(Response::Welcome(welcome))) => (stream, welcome),
            other => panic!("a welcome, not {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: Request) {
        let request = RecordRequest {
            message: Some(message),
        };
        // a server that has ended the stream says why in its last response
        let _ = self
            .requests
            .as_ref()
            .expect("not half-closed")
            .send(request)
            .await;
    }

    /// Sends a chunk under the next sequence, which it returns.
    pub(crate) async fn chunk(&mut self, kinds: impl IntoIterator<Item = Kind>) -> u64 {
        self.chunk_marked(false, kinds).await
    }

    /// Sends a chunk whose events may have been sent before.
    pub(crate) async fn chunk_marked(
        &mut self,
        resent: bool,
        kinds: impl IntoIterator<Item = Kind>,
    ) -> u64 {
        self.sequence += 1;
        let chunk = Chunk {
            sequence: self.sequence,
            resent,
            events: events(kinds),
        };
        self.say(Request::Chunk(chunk)).await;
        self.sequence
    }

    /// Sends encoded events as a chunk of this sequence; they may be anything.
    pub(crate) async fn chunk_as(&mut self, sequence: u64, events: Vec<bytes::Bytes>) {
        self.sequence = sequence;
        let chunk = Chunk {
            sequence,
            resent: false,
            events,
        };
        self.say(Request::Chunk(chunk)).await;
    }

    /// The next response; none at the OK end.
    pub(crate) async fn next(&mut self) -> Result<Option<Response>, Status> {
        let response = self.responses.message().await?;
        Ok(response.map(|response| response.message.expect("a message")))
    }

    /// The next ack; what else comes before it is passed over.
    pub(crate) async fn ack(&mut self) -> Ack {
        loop {
            match self.next().await {
                Ok(Some(Response::Ack(ack))) => return ack,
                Ok(Some(_)) => {}
                other => panic!("an ack, not {other:?}"),
            }
        }
    }

    /// Half-closes and adds up the acks until the end, which must be OK.
    pub(crate) async fn finish(mut self) -> Ack {
        self.requests = None;
        let (sum, end) = self.rest().await;
        end.expect("an OK end");
        sum
    }

    /// Adds up the acks until the end.
    pub(crate) async fn rest(mut self) -> (Ack, Result<(), Status>) {
        let mut sum = Ack::default();
        loop {
            let response = match self.next().await {
                Ok(Some(response)) => response,
                Ok(None) => return (sum, Ok(())),
                Err(status) => return (sum, Err(status)),
            };
            if let Response::Ack(ack) = response {
                sum.through_sequence = ack.through_sequence;
                sum.recorded += ack.recorded;
                sum.completed += ack.completed;
                sum.skipped += ack.skipped;
                sum.superseded += ack.superseded;
                sum.invalid += ack.invalid;
                sum.rejections.extend(ack.rejections);
            }
        }
    }
}
