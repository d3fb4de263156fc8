//! The rows of a round, as encoded events and as encoded rows, and the two ways to write them.

use std::{net::SocketAddr, pin::pin, time::Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use flowtrail::{
    event::{Micros, Step},
    ingest::row,
    pg::{Pool, binary},
    proto::{
        Chunk, Event, FlowEnded, FlowStarted, Hello, RecordRequest, StepRecorded, event,
        record_request, record_response, recorder_client::RecorderClient,
    },
};
use futures_util::{SinkExt as _, future::try_join_all};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Events in a chunk.
const CHUNK: usize = 200;
/// Rows in a transaction of the raw COPY, and bytes of one of its messages.
const BATCH: usize = 10_000;
const MESSAGE_BYTES: usize = 128 << 10;
/// Bytes of a step's payload: with its other columns a row has about 800.
const PAYLOAD: usize = 650;
const STEPS_OF_A_FLOW: usize = 10;
const COPY: &str = include_str!("../../sql/ingest/steps_copy.sql");

/// What an instance reports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Steps alone.
    Steps,
    /// A start, ten steps and an end.
    Flows,
}

pub(crate) struct Load {
    events: Vec<Bytes>,
    /// The same steps as rows of COPY, a batch each.
    batches: Vec<Bytes>,
}

impl Load {
    pub(crate) fn new(rows: usize, kind: Kind) -> Self {
        let mut load = Self {
            events: Vec::with_capacity(rows),
            batches: Vec::new(),
        };
        let mut batches = Vec::new();
        let payload: Bytes = vec![b'x'; PAYLOAD].into();
        for flow in 0.. {
            let instance = format!("{flow:032x}");
            if kind == Kind::Flows {
                load.event(event::Kind::Started(FlowStarted {
                    instance_id: instance.clone(),
                    start_time: time(0),
                    flow_name: Some("order".into()),
                    status: Some("Created".into()),
                    flow_input: Some(payload.slice(..200)),
                    ..FlowStarted::default()
                }));
            }
            for number in 0..STEPS_OF_A_FLOW {
                load.step(&instance, number, &payload, &mut batches);
            }
            if kind == Kind::Flows {
                load.event(event::Kind::Ended(FlowEnded {
                    instance_id: instance,
                    start_time: time(0),
                    end_time: time(1),
                    status: Some("Completed".into()),
                    flow_output: Some(payload.slice(..100)),
                    flow_name: None,
                }));
            }
            if load.events.len() >= rows {
                break;
            }
        }
        load.events.truncate(rows);
        load.batches = batches.into_iter().map(Bytes::from).collect();
        load
    }

    fn event(&mut self, kind: event::Kind) {
        self.events
            .push(Event { kind: Some(kind) }.encode_to_vec().into());
    }

    fn step(&mut self, instance: &str, number: usize, payload: &Bytes, batches: &mut Vec<Vec<u8>>) {
        let number = i32::try_from(number).expect("few steps");
        self.event(event::Kind::Step(StepRecorded {
            instance_id: instance.to_owned(),
            step_id: number,
            start_time: time(number.into()),
            end_time: time(number.into()),
            task_name: Some("validate".into()),
            status: Some("Completed".into()),
            flow_name: Some("order".into()),
            subflow_id: Some("0".into()),
            rerun: Some(false),
            step_data: Some(payload.clone()),
            ..StepRecorded::default()
        }));
        if self.events.len() % BATCH == 1 || batches.is_empty() {
            batches.push(Vec::new());
        }
        let at = Micros::from_unix("start", 1_800_000_000 + i64::from(number), 0).expect("a time");
        let step = Step {
            instance,
            number: number.unsigned_abs(),
            started_at: at,
            ended_at: Some(at),
            task: Some("validate"),
            status: Some("Completed"),
            flow: Some("order"),
            subflow: Some("0"),
            rerun: Some(false),
            parent: None,
            content: Some(payload),
            misc: None,
        };
        row::step(batches.last_mut().expect("a batch"), &step);
    }

    /// Raw COPY: `writers` connections, a transaction for each batch.
    pub(crate) async fn copy(&self, pool: &Pool, writers: usize) -> anyhow::Result<()> {
        let writing = (0..writers).map(|writer| async move {
            let client = pool.get().await?;
            let copy = client.prepare(COPY).await?;
            for batch in self.batches.iter().skip(writer).step_by(writers) {
                let mut sink = pin!(client.copy_in::<_, Bytes>(&copy).await?);
                sink.feed(Bytes::from_static(&binary::HEADER)).await?;
                let mut rest = batch.clone();
                while !rest.is_empty() {
                    let message = rest.split_to(MESSAGE_BYTES.min(rest.len()));
                    sink.feed(message).await?;
                }
                sink.feed(Bytes::from_static(&binary::TRAILER)).await?;
                sink.finish().await?;
            }
            anyhow::Ok(())
        });
        try_join_all(writing).await?;
        Ok(())
    }

    /// Over gRPC: `streams` streams, until every chunk is acknowledged.
    pub(crate) async fn record(
        &self,
        address: SocketAddr,
        streams: usize,
        resent: bool,
    ) -> anyhow::Result<()> {
        let shares = self.events.chunks(self.events.len().div_ceil(streams));
        let answered = try_join_all(shares.map(|share| async move {
            let mut stream = Stream::open(address).await?;
            let chunks = share
                .chunks(CHUNK)
                .zip(1..)
                .map(|(events, sequence)| Chunk {
                    sequence,
                    resent,
                    events: events.to_vec(),
                });
            let requests = stream.requests.take().context("an open stream")?;
            let sending = async move {
                for chunk in chunks {
                    requests.send(request(chunk)).await?;
                }
                anyhow::Ok(())
            };
            let receiving = async {
                let mut recorded = 0;
                while let Some(ack) = stream.ack().await? {
                    recorded += ack.recorded;
                }
                anyhow::Ok(recorded)
            };
            let ((), recorded) = tokio::try_join!(sending, receiving)?;
            anyhow::Ok(recorded)
        }))
        .await?;
        let recorded: u64 = answered.iter().sum();
        ensure!(
            recorded == self.events.len() as u64,
            "{recorded} events were recorded"
        );
        Ok(())
    }

    /// Seconds from each of `count` events, sent alone, to its ack.
    pub(crate) async fn acks(&self, address: SocketAddr, count: usize) -> anyhow::Result<Vec<f64>> {
        let mut stream = Stream::open(address).await?;
        let requests = stream.requests.take().context("an open stream")?;
        let mut waits = Vec::with_capacity(count);
        for (event, sequence) in self.events.iter().take(count).zip(1..) {
            let began = Instant::now();
            let chunk = Chunk {
                sequence,
                resent: false,
                events: vec![event.clone()],
            };
            requests.send(request(chunk)).await?;
            stream.ack().await?.context("an ack")?;
            waits.push(began.elapsed().as_secs_f64());
        }
        Ok(waits)
    }
}

/// Empties the tables, outside of what is timed.
pub(crate) async fn clear(pool: &Pool) -> anyhow::Result<()> {
    let client = pool.get().await?;
    client
        .batch_execute("truncate public.steps, public.flowstate; checkpoint")
        .await?;
    Ok(())
}

struct Stream {
    requests: Option<mpsc::Sender<RecordRequest>>,
    responses: tonic::Streaming<flowtrail::proto::RecordResponse>,
}

impl Stream {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = RecorderClient::connect(format!("http://{address}")).await?;
        let (requests, queue) = mpsc::channel(16);
        let hello = Hello {
            user: "bench".into(),
            app: "bench".into(),
            ..Hello::default()
        };
        let message = Some(record_request::Message::Hello(hello));
        requests.send(RecordRequest { message }).await?;
        let responses = client
            .record(ReceiverStream::new(queue))
            .await?
            .into_inner();
        Ok(Self {
            requests: Some(requests),
            responses,
        })
    }

    /// The next ack; none at the end of the stream.
    async fn ack(&mut self) -> anyhow::Result<Option<flowtrail::proto::Ack>> {
        while let Some(response) = self.responses.message().await? {
            if let Some(record_response::Message::Ack(ack)) = response.message {
                return Ok(Some(ack));
            }
        }
        Ok(None)
    }
}

fn request(chunk: Chunk) -> RecordRequest {
    RecordRequest {
        message: Some(record_request::Message::Chunk(chunk)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what the fields hold")]
fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: 1_800_000_000 + seconds,
        nanos: 0,
    })
}
