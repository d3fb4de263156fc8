//! The chunks of a stream: flows as events of the protocol, put together within the server's limits.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use prost::Message as _;

use super::{
    flows::{Flows, Occurrence, What},
    grpc::Terms,
    run::Run,
};
use crate::proto::{Event, FlowEnded, FlowStarted, StepRecorded, event::Kind};

/// Bytes of a chunk that stand around each of its events, at most.
const AROUND_EVENT: usize = 8;

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
    pub(super) fn new(flows: Flows, terms: Terms, chunk_bytes: usize) -> Self {
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

    /// The flows they are made of.
    pub(super) fn flows(&self) -> &Flows {
        &self.events.flows
    }

    /// The events of the next chunk; none when the run is over.
    pub(super) fn next(&mut self, run: &Run) -> Option<Vec<Bytes>> {
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

    pub(super) fn resends(&mut self) -> bool {
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
