//! What is fed in: recorded events, alone by kind and in chunks of many instances.

use bytes::Bytes;
use flowtrail::{
    cli::{fresh::Fresh, traffic::Traffic},
    event::Event,
    ingest::{row::Source, wire},
    proto::{Event as Encoded, event::Kind},
};
use prost::Message as _;

/// Events in a chunk: what clients send under load.
pub(crate) const CHUNK: usize = 200;

/// What an engine reported, and who it was.
pub(crate) struct Recording {
    pub(crate) source: Source,
    traffic: Traffic,
    fresh: Fresh,
}

impl Recording {
    pub(crate) fn read() -> Self {
        let file = include_str!("../../demo/recorder-traffic.jsonl");
        let traffic = Traffic::read("demo", file.as_bytes(), None).expect("recorded traffic");
        let hello = &traffic.streams[0];
        Self {
            source: Source {
                user: hello.user.clone(),
                app: hello.app.clone(),
                version: hello.app_version.clone(),
                host: hello.host.clone(),
            },
            fresh: Fresh::new(&traffic).expect("ids that can be replaced"),
            traffic,
        }
    }

    /// All recorded events by kind, and the steps again with larger contents.
    pub(crate) fn kinds(&self) -> [(&'static str, Vec<Bytes>); 5] {
        let of = |wanted: fn(&Event<'_>) -> bool| -> Vec<_> {
            let events = self.traffic.events.iter().map(|event| &event.encoded);
            events
                .filter(|encoded| wanted(&event(encoded)))
                .cloned()
                .collect()
        };
        let steps = of(|event| matches!(event, Event::Step(_)));
        let large = |bytes| steps.iter().map(|step| grown(step, bytes)).collect();
        [
            ("start", of(|event| matches!(event, Event::Started(_)))),
            ("end", of(|event| matches!(event, Event::Ended(_)))),
            ("step-4kB", large(4_000)),
            ("step-32kB", large(32_000)),
            ("step", steps),
        ]
    }

    /// As many events as a chunk has, whole flows one after the other, each an instance of its own.
    pub(crate) fn chunk(&self) -> Vec<Bytes> {
        let flows = std::iter::repeat_with(|| {
            let ids = self.fresh.ids();
            (0..)
                .zip(&self.traffic.events)
                .map(move |(number, event)| self.fresh.event(number, &event.encoded, &ids))
        });
        flows.flatten().take(CHUNK).collect()
    }
}

/// A recorded event, decoded.
pub(crate) fn event(encoded: &[u8]) -> Event<'_> {
    wire::event(encoded).expect("an event that was recorded is valid")
}

/// A step whose content is repeated until it has `bytes` bytes.
fn grown(step: &Bytes, bytes: usize) -> Bytes {
    let mut event = Encoded::decode(step.clone()).expect("an event");
    let Some(Kind::Step(step)) = &mut event.kind else {
        unreachable!("only steps are grown")
    };
    let content = step.step_data.take().expect("a step has a content");
    step.step_data = Some(content.iter().copied().cycle().take(bytes).collect());
    event.encode_to_vec().into()
}
