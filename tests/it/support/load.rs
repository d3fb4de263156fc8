//! Streams that push as fast as they can, and what must be in the tables afterwards.
//!
//! Every chunk is an instance of its own: a start, steps, an end, with payloads that follow from
//! where they stand. So a stream is remembered by two numbers, what it sent and what was acknowledged.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flowtrail::proto::{
    Ack, Chunk, FlowEnded, FlowStarted, RecordRequest, StepRecorded, event::Kind,
    record_request::Message as Request, record_response::Message as Response,
};
use futures_util::TryStreamExt as _;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    stream::{Stream, events, hello, time},
    wait::eventually,
};

/// What a chunk holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Steps of an instance.
    pub(crate) steps: i32,
    /// Bytes of a step's payload, about.
    pub(crate) bytes: usize,
}

/// Small chunks: many of them are on their way at any time.
pub(crate) const SMALL: Shape = Shape {
    steps: 20,
    bytes: 300,
};

/// Chunks near the limit of 1 MiB.
pub(crate) const BIG: Shape = Shape {
    steps: 10,
    bytes: 100_000,
};

/// One stream and what it knows.
#[derive(Debug)]
pub(crate) struct Ledger {
    app: String,
    name: String,
    shape: Shape,
    /// The last chunk sent; the first is 1.
    pub(crate) sent: u64,
    /// The last chunk acknowledged.
    pub(crate) acked: u64,
    /// Events acknowledged, and how.
    pub(crate) sum: Ack,
    /// How the stream ended.
    pub(crate) end: Result<(), Status>,
}

/// Streams at work.
pub(crate) struct Load {
    streams: JoinSet<Ledger>,
    stop: CancellationToken,
    acked: Arc<AtomicU64>,
}

impl Load {
    /// `streams` streams to `address`; `name` begins the ids of their instances.
    pub(crate) async fn start(
        address: SocketAddr,
        name: &str,
        streams: usize,
        shape: Shape,
    ) -> Self {
        Self::start_for("orders", address, name, streams, shape).await
    }

    /// The same of another app.
    pub(crate) async fn start_for(
        app: &str,
        address: SocketAddr,
        name: &str,
        streams: usize,
        shape: Shape,
    ) -> Self {
        let mut load = Self {
            streams: JoinSet::new(),
            stop: CancellationToken::new(),
            acked: Arc::default(),
        };
        for number in 0..streams {
            let (stream, _) = Stream::greet(address, hello(app)).await;
            let ledger = Ledger {
                app: app.to_owned(),
                name: format!("{name}{number}"),
                shape,
                sent: 0,
                acked: 0,
                sum: Ack::default(),
                end: Ok(()),
            };
            let (stop, acked) = (load.stop.clone(), Arc::clone(&load.acked));
            load.streams.spawn(ledger.push(stream, stop, acked));
        }
        load
    }

    /// Chunks acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Returns when `chunks` more are acknowledged.
    pub(crate) async fn progress(&self, chunks: u64) {
        let goal = self.acked() + chunks;
        eventually("acks", async || self.acked() >= goal).await;
    }

    /// Half-closes every stream and waits for the last acks and the ends.
    pub(crate) async fn finish(self) -> Vec<Ledger> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits for the ends of streams that somebody else brings about.
    pub(crate) async fn ended(self) -> Vec<Ledger> {
        let limit = Duration::from_secs(90);
        let all = tokio::time::timeout(limit, self.streams.join_all()).await;
        all.expect("every stream ends within 90 s")
    }
}

impl Ledger {
    async fn push(
        mut self,
        mut stream: Stream,
        stop: CancellationToken,
        acked: Arc<AtomicU64>,
    ) -> Self {
        loop {
            let requests = stream.requests.clone();
            tokio::select! {
                biased;
                response = stream.next() => match response {
                    Ok(Some(Response::Ack(ack))) => {
                        acked.fetch_add(ack.through_sequence - self.acked, Ordering::Relaxed);
                        self.note(ack);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return self,
                    Err(status) => {
                        self.end = Err(status);
                        return self;
                    }
                },
                () = stop.cancelled(), if requests.is_some() => stream.requests = None,
                Some(place) = reserve(requests.as_ref()) => {
                    self.sent += 1;
                    place.send(self.request(self.sent, false));
                }
            }
        }
    }

    /// Sends what was not acknowledged once more, on a new stream, and waits for its end.
    pub(crate) async fn resend(&mut self, address: SocketAddr) {
        let (mut stream, _) = Stream::greet(address, hello(&self.app)).await;
        let requests = stream.requests.take().expect("a new stream");
        let chunks: Vec<_> = (self.acked + 1..=self.sent)
            .map(|sequence| self.request(sequence, true))
            .collect();
        let sending = async move {
            for chunk in chunks {
                requests.send(chunk).await.expect("the stream is read");
            }
        };
        let reading = async {
            while let Some(response) = stream.next().await.expect("an OK end") {
                if let Response::Ack(ack) = response {
                    self.note(ack);
                }
            }
        };
        tokio::join!(sending, reading);
        assert_eq!(self.acked, self.sent, "{}", self.name);
    }

    fn note(&mut self, ack: Ack) {
        self.acked = ack.through_sequence;
        self.sum.recorded += ack.recorded;
        self.sum.superseded += ack.superseded;
        self.sum.skipped += ack.skipped;
        self.sum.invalid += ack.invalid;
        self.sum.rejections.extend(ack.rejections);
    }

    /// Events of one chunk.
    pub(crate) fn events(&self) -> u64 {
        u64::try_from(self.shape.steps).expect("not negative") + 2
    }

    fn instance(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.name)
    }

    fn request(&self, sequence: u64, resent: bool) -> RecordRequest {
        let instance = self.instance(sequence);
        let payload = |number| Some(self.payload(sequence, number));
        let started = Kind::Started(FlowStarted {
            instance_id: instance.clone(),
            start_time: time(1_000),
            status: Some("Created".into()),
            flow_input: payload(-1),
            ..FlowStarted::default()
        });
        let ended = Kind::Ended(FlowEnded {
            instance_id: instance.clone(),
            start_time: time(1_000),
            end_time: time(2_000),
            status: Some("Completed".into()),
            flow_output: payload(-2),
            ..FlowEnded::default()
        });
        let steps = (0..self.shape.steps).map(|step_id| {
            Kind::Step(StepRecorded {
                instance_id: instance.clone(),
                step_id,
                start_time: time(1_001),
                step_data: payload(step_id),
                ..StepRecorded::default()
            })
        });
        let chunk = Chunk {
            sequence,
            resent,
            events: events([started].into_iter().chain(steps).chain([ended])),
        };
        RecordRequest {
            message: Some(Request::Chunk(chunk)),
        }
    }

    /// The payload of event `number`: no two are the same, and compression gains nothing.
    fn payload(&self, sequence: u64, number: i32) -> Bytes {
        let bytes = if number < 0 { 40 } else { self.shape.bytes };
        let place = format!("{}-{sequence}/{number}:", self.name);
        let hash = place.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let from = usize::try_from(hash % (NOISE.len() as u64 / 2)).expect("an index");
        let mut payload = place.into_bytes();
        while payload.len() < bytes {
            let noise = &NOISE[from..];
            payload.extend(&noise[..noise.len().min(bytes - payload.len())]);
        }
        payload.into()
    }
}

/// Bytes without an order.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    });
    words.take(1 << 13).flatten().collect()
});

async fn reserve<T>(
    sender: Option<&tokio::sync::mpsc::Sender<T>>,
) -> Option<tokio::sync::mpsc::Permit<'_, T>> {
    sender?.reserve().await.ok()
}

/// Every acknowledged event is in the tables byte for byte, and nothing is there that was not sent.
/// Answers with the number of acknowledged chunks.
pub(crate) async fn verify(client: &Client, ledgers: &[Ledger]) -> u64 {
    let mut found = 0;
    for ledger in ledgers {
        assert_eq!(ledger.sum.rejections, [], "{}", ledger.name);
        let like = format!("{}-%", ledger.name);
        let flows = "select flowinstanceid, status, flowinput, flowoutput from public.flowstate where flowinstanceid like $1";
        let mut flows: HashMap<String, _> = (client.query(flows, &[&like]).await.unwrap().iter())
            .map(|row| {
                (
                    row.get(0),
                    [1, 2, 3].map(|at| row.get::<_, Option<Raw>>(at).map(|raw| raw.0)),
                )
            })
            .collect();
        let mut counts: HashMap<String, i32> = HashMap::new();
        let steps = "select flowinstanceid, stepid::int, stepdata from public.steps where flowinstanceid like $1";
        let mut rows = std::pin::pin!(client.query_raw(steps, [&like]).await.unwrap());
        while let Some(row) = rows.try_next().await.unwrap() {
            let (instance, number): (String, i32) = (row.get(0), row.get(1));
            let sequence = instance.rsplit('-').next().unwrap().parse().unwrap();
            assert!(
                row.get::<_, Option<Vec<u8>>>(2).as_deref()
                    == Some(&ledger.payload(sequence, number)[..]),
                "{instance}/{number}"
            );
            *counts.entry(instance).or_default() += 1;
        }
        for sequence in 1..=ledger.sent {
            let instance = ledger.instance(sequence);
            let payload = |n| Some(ledger.payload(sequence, n).to_vec());
            let flow = flows.remove(&instance);
            if sequence <= ledger.acked {
                found += 1;
                assert!(flow.is_some(), "{instance} is lost");
                assert_eq!(
                    counts.get(&instance),
                    Some(&ledger.shape.steps),
                    "{instance}"
                );
            }
            if let Some([status, input, output]) = flow {
                assert_eq!(status, Some(b"Completed".to_vec()), "{instance}");
                assert!(input == payload(-1) && output == payload(-2), "{instance}");
            }
        }
        assert!(flows.is_empty(), "never sent: {:?}", flows.keys());
    }
    let past = "select (select count(*) from flowtrail.past_steps) + (select count(*) from flowtrail.past_flowstate)";
    let past: i64 = client.query_one(past, &[]).await.unwrap().get(0);
    assert_eq!(past, 0, "nothing was written twice with a difference");
    found
}

/// A text or bytea as its bytes.
struct Raw(Vec<u8>);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}
