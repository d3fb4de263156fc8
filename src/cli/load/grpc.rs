//! Load over gRPC: streams that send chunks and take acks.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use anyhow::bail;
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{
    flows::{Cast, Flows, Occurrence, What},
    run::{Pace, Run},
    tally::Tally,
};
use crate::{
    cli::{client::refused, traffic},
    proto::{
        Ack, Chunk, Event, FlowEnded, FlowStarted, Hello, RecordRequest, RecordResponse,
        StepRecorded, event::Kind, record_request, record_response,
        recorder_client::RecorderClient,
    },
};

/// Bytes of a chunk that stand around its events, and around each of them, at most.
const AROUND: usize = 64;
const AROUND_EVENT: usize = 8;

/// How chunks are made and how many may be on their way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) chunk_events: u64,
    pub(super) unanswered: usize,
    /// Share of chunks that are sent twice.
    pub(super) resends: f64,
}

/// A stream that was welcomed.
#[derive(Debug)]
pub(super) struct Stream {
    requests: mpsc::Sender<RecordRequest>,
    responses: Streaming<RecordResponse>,
    chunk_bytes: usize,
    unanswered: Arc<Semaphore>,
    terms: Terms,
}

/// A chunk on its way.
#[derive(Debug)]
struct Sent {
    sequence: u64,
    events: u64,
    bytes: u64,
    at: Instant,
}

impl Stream {
    pub(super) async fn open(channel: Channel, cast: &Cast, terms: Terms) -> anyhow::Result<Self> {
        let (requests, queue) = mpsc::channel(4);
        let hello = Hello {
            user: cast.shape().user.clone(),
            app: cast.shape().app.clone(),
            app_version: "1.0.0".to_owned(),
            host: "load".to_owned(),
            client: traffic::client(),
        };
        let message = Some(record_request::Message::Hello(hello));
        requests.send(RecordRequest { message }).await?;
        let responses = RecorderClient::new(channel)
            .record(ReceiverStream::new(queue))
            .await
            .map_err(|status| refused("Record", &status))?;
        let mut responses = responses.into_inner();
        let first = responses.message().await;
        let first = first.map_err(|status| refused("Record", &status))?;
        let Some(record_response::Message::Welcome(welcome)) =
            first.and_then(|first| first.message)
        else {
            bail!("Record: the server said no welcome; is it a flowtrail server?");
        };
        let chunk_bytes = usize::try_from(welcome.max_chunk_bytes).unwrap_or(usize::MAX);
        let unanswered = terms.unanswered.min(welcome.max_unanswered_chunks as usize);
        Ok(Self {
            requests,
            responses,
            chunk_bytes: chunk_bytes.saturating_sub(AROUND),
            unanswered: Arc::new(Semaphore::new(unanswered.max(1))),
            terms: Terms {
                chunk_events: terms.chunk_events.min(welcome.max_chunk_events.into()),
                ..terms
            },
        })
    }

    /// The chunks of `flows` as this stream takes them.
    pub(super) fn chunks(&self, flows: Flows) -> Chunks {
        Chunks::new(flows, self.terms, self.chunk_bytes)
    }

    /// Sends `chunks` until the run is over and every one is answered. The tally holds what was
    /// answered, also when the stream breaks.
    pub(super) async fn drive(
        self,
        mut chunks: Chunks,
        run: &Run,
        pace: Pace,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let Self {
            requests,
            mut responses,
            unanswered,
            terms,
            ..
        } = self;
        let places = Arc::clone(&unanswered);
        let (sent, mut waiting) = mpsc::channel(terms.unanswered.max(1) * 2);
        let making = &mut chunks;
        let sending = async move {
            // Both ends of the stream's channels are closed by this.
            let (requests, sent) = (requests, sent);
            send(making, run, pace, &places, &requests, &sent).await;
            anyhow::Ok(())
        };
        let receiving = async {
            let mut first: Option<Sent> = None;
            loop {
                let response = responses.message().await;
                let response = response.map_err(|status| refused("Record", &status))?;
                let Some(response) = response else {
                    break;
                };
                let Some(record_response::Message::Ack(ack)) = response.message else {
                    continue;
                };
                let now = Instant::now();
                while let Some(chunk) = first.take().or_else(|| waiting.try_recv().ok()) {
                    if chunk.sequence > ack.through_sequence {
                        first = Some(chunk);
                        break;
                    }
                    unanswered.add_permits(1);
                    tally.answered(chunk.events, chunk.bytes, now - chunk.at);
                    run.answered(chunk.events);
                }
                count(tally, &ack);
            }
            let open = first.is_some() || waiting.try_recv().is_ok();
            anyhow::ensure!(
                !open,
                "Record: the server ended the stream before its last ack"
            );
            Ok(())
        };
        // A stream that broke ends the sending half.
        let done = tokio::try_join!(sending, receiving);
        tally.made(&chunks.events.flows);
        done.map(|_| ())
    }
}

async fn send(
    chunks: &mut Chunks,
    run: &Run,
    mut pace: Pace,
    places: &Semaphore,
    requests: &mpsc::Sender<RecordRequest>,
    sent: &mpsc::Sender<Sent>,
) {
    let mut sequence = 0;
    loop {
        let due = pace.turn(run).await;
        let Some(events) = chunks.next(run) else {
            return;
        };
        let count = events.len() as u64;
        pace.used(count);
        let bytes = events.iter().map(|event| event.len() as u64).sum();
        for resent in [false, true] {
            if resent && !chunks.resends() {
                continue;
            }
            let Ok(permit) = places.acquire().await else {
                return;
            };
            permit.forget();
            sequence += 1;
            let on_its_way = Sent {
                sequence,
                events: count,
                bytes,
                at: due.unwrap_or_else(Instant::now),
            };
            let chunk = Chunk {
                sequence,
                resent,
                events: events.clone(),
            };
            let message = Some(record_request::Message::Chunk(chunk));
            // The receiving half says what happened.
            if sent.send(on_its_way).await.is_err()
                || requests.send(RecordRequest { message }).await.is_err()
            {
                return;
            }
        }
    }
}

fn count(tally: &mut Tally, ack: &Ack) {
    tally.recorded += ack.recorded + ack.completed;
    tally.skipped += ack.skipped;
    tally.superseded += ack.superseded;
    tally.refused += ack.invalid;
}

/// Events put together into chunks.
pub(super) struct Chunks {
    events: Events,
    terms: Terms,
    chunk_bytes: usize,
    random: fastrand::Rng,
    /// Those made beforehand.
    prepared: Option<VecDeque<Vec<Bytes>>>,
}

impl Chunks {
    fn new(flows: Flows, terms: Terms, chunk_bytes: usize) -> Self {
        Self {
            events: Events::new(flows),
            terms,
            chunk_bytes,
            random: fastrand::Rng::new(),
            prepared: None,
        }
    }

    /// Makes all chunks of so many events now; there are no others then.
    pub(super) fn prepare(&mut self, events: u64) {
        let mut prepared = VecDeque::new();
        let mut left = events;
        while left > 0 {
            let chunk = self.make(left.min(self.terms.chunk_events));
            left -= chunk.len() as u64;
            prepared.push_back(chunk);
        }
        self.prepared = Some(prepared);
    }

    /// The events of the next chunk; none when the run is over.
    fn next(&mut self, run: &Run) -> Option<Vec<Bytes>> {
        if let Some(prepared) = &mut self.prepared {
            let events = prepared.pop_front()?;
            return (run.take(events.len() as u64) > 0).then_some(events);
        }
        let most = run.take(self.terms.chunk_events);
        let events = self.make(most);
        run.give_back(most - events.len() as u64);
        (!events.is_empty()).then_some(events)
    }

    /// At most so many events, as many as a chunk takes.
    fn make(&mut self, most: u64) -> Vec<Bytes> {
        let largest = self.events.flows.largest();
        let mut events = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        let mut bytes = 0;
        while (events.len() as u64) < most
            && (events.is_empty() || bytes + largest < self.chunk_bytes)
        {
            let Some(event) = self.events.next() else {
                break;
            };
            bytes += event.len() + AROUND_EVENT;
            events.push(event);
        }
        events
    }

    fn resends(&mut self) -> bool {
        self.terms.resends > 0.0 && self.random.f64() < self.terms.resends
    }
}

/// The events of flows as they are in a chunk, encoded one by one and without end.
#[derive(Debug)]
pub struct Events {
    flows: Flows,
    encoder: Encoder,
}

impl Events {
    /// The events of `flows`.
    pub fn new(flows: Flows) -> Self {
        Self {
            flows,
            encoder: Encoder::default(),
        }
    }
}

impl Iterator for Events {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        Some(self.encoder.event(&self.flows.next()))
    }
}

/// Makes events of the protocol; keeps its memory from one to the next.
#[derive(Debug, Default)]
struct Encoder {
    body: BytesMut,
    event: BytesMut,
    step: Event,
}

/// Memory that an encoder takes at once.
const PORTION: usize = 256 << 10;

impl Encoder {
    /// The encoded event.
    fn event(&mut self, occurrence: &Occurrence<'_>) -> Bytes {
        match occurrence.what {
            What::Step(_) => self.fill_step(occurrence),
            What::Started => self.step.kind = Some(started(occurrence)),
            What::Ended => self.step.kind = Some(ended(occurrence)),
        }
        let bytes = self.step.encoded_len();
        if self.event.capacity() < bytes {
            self.event = BytesMut::with_capacity(PORTION.max(bytes));
        }
        let encoded = self.step.encode(&mut self.event);
        encoded.expect("there is room for it");
        self.event.split().freeze()
    }

    fn fill_step(&mut self, occurrence: &Occurrence<'_>) {
        let What::Step(recorded) = occurrence.what else {
            return;
        };
        let values = &occurrence.values;
        if self.body.capacity() < PORTION / 4 {
            self.body = BytesMut::with_capacity(PORTION);
        }
        recorded.body.fill(values, occurrence.items, &mut self.body);
        let Some(Kind::Step(step)) = &mut self.step.kind else {
            self.step.kind = Some(Kind::Step(StepRecorded::default()));
            self.body.clear();
            return self.fill_step(occurrence);
        };
        step.instance_id.clear();
        step.instance_id.push_str(&text(values.instance));
        step.step_id = i32::try_from(values.number).unwrap_or(i32::MAX);
        step.start_time = Some(values.started_at.stamp());
        step.end_time = Some(values.ended_at.stamp());
        for (field, value) in [
            (&mut step.task_name, &recorded.task),
            (&mut step.status, &recorded.status),
            (&mut step.flow_name, &recorded.flow),
            (&mut step.subflow_id, &recorded.subflow),
        ] {
            field.get_or_insert_default().clone_from(value);
        }
        step.rerun = Some(false);
        step.step_data = Some(self.body.split().freeze());
    }
}

fn started(occurrence: &Occurrence<'_>) -> Kind {
    let (script, values) = (occurrence.script, &occurrence.values);
    Kind::Started(FlowStarted {
        instance_id: text(values.instance),
        start_time: Some(values.started_at.stamp()),
        end_time: Some(values.ended_at.stamp()),
        flow_name: Some(script.flow.clone()),
        status: Some("Created".to_owned()),
        original_instance_id: Some(values.original.map(text).unwrap_or_default()),
        flow_input: Some(script.input.clone()),
        ..FlowStarted::default()
    })
}

fn ended(occurrence: &Occurrence<'_>) -> Kind {
    let (script, values) = (occurrence.script, &occurrence.values);
    Kind::Ended(FlowEnded {
        instance_id: text(values.instance),
        start_time: Some(values.started_at.stamp()),
        end_time: Some(values.ended_at.stamp()),
        status: Some(script.ended.clone()),
        flow_output: script.output.clone(),
        flow_name: Some(script.flow.clone()),
    })
}

fn text(id: &[u8; super::body::ID]) -> String {
    String::from_utf8_lossy(id).into_owned()
}
