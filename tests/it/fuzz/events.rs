//! What a stream sends: chunks, and the events in them.

use flowtrail::{
    event::{Event, Micros},
    ingest::{
        row::{self, Kind, Source},
        wire,
    },
    proto::{self, Chunk},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use prost::Message as _;

use super::{fuzz, sentence};

/// Names of fields, one of which a refusal has to hold.
const FIELDS: &[&str] = &[
    "event",
    "instance_id",
    "start_time",
    "end_time",
    "flow_name",
    "status",
    "original_instance_id",
    "parent_instance_id",
    "parent_flow_name",
    "flow_input",
    "flow_output",
    "misc",
    "step_id",
    "task_name",
    "subflow_id",
    "rerun",
    "parent_step_id",
    "step_data",
];

/// Pieces of messages: keys of fields, lengths, numbers that are too long.
const WORDS: &[&str] = &[
    "\n\x02",
    "\x12\x02",
    "\x1a\x02",
    "\n\x01i",
    "\x12\x02\x08\x01",
    "\x10\x07",
    "b\x00",
    "\x7f",
    "\x08\x01\x10\x01",
    "\n\x7f",
    "",
];

/// An event is stored as what it says, or refused by the name of a field.
fn event(bytes: &[u8]) -> Result<(), TestCaseError> {
    let event = match wire::event(bytes) {
        Ok(event) => event,
        Err(invalid) => {
            sentence(&invalid.sentence)?;
            let named = FIELDS.iter().any(|field| invalid.sentence.contains(field));
            prop_assert!(named, "{}", invalid.sentence);
            let remedy = invalid.sentence.contains("; ");
            prop_assert!(remedy, "{}", invalid.sentence);
            return Ok(());
        }
    };
    prop_assert!(event.bytes() <= bytes.len());
    prop_assert!(!event.instance().is_empty() && event.instance().len() <= 512);
    let mut encoded = Vec::new();
    let source = Source::default();
    match &event {
        Event::Started(start) => row::start(&mut encoded, &source, start),
        Event::Step(step) => row::step(&mut encoded, step),
        Event::Ended(end) => row::end(&mut encoded, &source, Kind::End, end),
    }
    prop_assert!(encoded.len() <= event.bytes() + row::OVERHEAD);
    prop_assert_eq!(row::instance(&encoded), event.instance());
    let columns = row::columns(&encoded);
    prop_assert!(columns.is_some(), "the row cannot be read");
    Ok(())
}

/// A chunk holds no more than its frame and no more events than it may.
fn chunk(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(chunk) = Chunk::decode(bytes) else {
        return Ok(());
    };
    prop_assert!(chunk.events.len() <= Chunk::MAX_EVENTS + 1);
    let held: usize = chunk.events.iter().map(bytes::Bytes::len).sum();
    prop_assert!(held <= bytes.len());
    for bytes in chunk.events.iter().take(100) {
        event(bytes)?;
    }
    let again = chunk.encode_to_vec();
    prop_assert_eq!(again.len(), chunk.encoded_len());
    prop_assert!(again.len() <= bytes.len());
    let read = Chunk::decode(&again[..]);
    prop_assert_eq!(read.expect("what was encoded"), chunk);
    Ok(())
}

fn encoded(kind: proto::event::Kind) -> Vec<u8> {
    proto::Event { kind: Some(kind) }.encode_to_vec()
}

/// One of each kind with every field.
fn full() -> Vec<Vec<u8>> {
    let time = |seconds| {
        Some(prost_types::Timestamp {
            seconds,
            nanos: 123_456_789,
        })
    };
    let word = |word: &str| Some(word.to_owned());
    vec![
        encoded(proto::event::Kind::Started(proto::FlowStarted {
            instance_id: "i1".into(),
            start_time: time(1_000),
            end_time: time(1_001),
            flow_name: word("order"),
            status: word("Created"),
            original_instance_id: word("i0"),
            parent_instance_id: word("p"),
            parent_flow_name: word("parent"),
            flow_input: Some("{\"a\":1}".into()),
            misc: Some("m".into()),
        })),
        encoded(proto::event::Kind::Step(proto::StepRecorded {
            instance_id: "i1".into(),
            step_id: 7,
            start_time: time(1_000),
            end_time: time(1_001),
            task_name: word("größe"),
            status: word("Completed"),
            flow_name: word("order"),
            subflow_id: word("0"),
            rerun: Some(true),
            parent_step_id: word("3"),
            step_data: Some("{\"id\":7}".into()),
            misc: Some("m".into()),
        })),
        encoded(proto::event::Kind::Ended(proto::FlowEnded {
            instance_id: "i1".into(),
            start_time: time(1_000),
            end_time: time(1_001),
            status: word("Failed"),
            flow_output: Some("{}".into()),
            flow_name: word("order"),
        })),
    ]
}

#[test]
fn any_bytes_are_an_event_or_are_refused() {
    fuzz("event", full(), WORDS, event);
}

#[test]
fn any_frame_is_a_chunk_or_is_refused() {
    let chunk_of = |events: Vec<Vec<u8>>| Chunk {
        sequence: 300,
        resent: true,
        events: events.into_iter().map(Into::into).collect(),
    };
    let frames = [chunk_of(full()), chunk_of(vec![Vec::new(); 10_100])];
    let frames = frames.map(|chunk| chunk.encode_to_vec());
    fuzz("chunk", frames.to_vec(), WORDS, chunk);
}

/// A text that an event may hold, `most` letters at most.
fn text(most: usize) -> impl Strategy<Value = String> {
    let letter = any::<char>().prop_map(|c| if c == '\0' { ' ' } else { c });
    prop::collection::vec(letter, 0..most).prop_map(String::from_iter)
}

fn time() -> impl Strategy<Value = prost_types::Timestamp> {
    let seconds = -200_000_000_000_i64..9_000_000_000_000;
    (seconds, 0..1_000_000_000)
        .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos })
}

fn micros(time: &prost_types::Timestamp) -> Micros {
    Micros::from_unix("time", time.seconds, time.nanos.into()).expect("a time in range")
}

prop_compose! {
    fn step()(
        instance_id in text(100).prop_map(|id| id + "i"),
        step_id in 0..=i32::MAX,
        start_time in time(),
        end_time in prop::option::of(time()),
        words in prop::array::uniform5(prop::option::of(text(100))),
        rerun in any::<Option<bool>>(),
        payloads in any::<[Option<Vec<u8>>; 2]>(),
    ) -> proto::StepRecorded {
        let [task_name, status, flow_name, subflow_id, parent_step_id] = words;
        let [step_data, misc] = payloads.map(|payload| payload.map(Into::into));
        proto::StepRecorded {
            instance_id, step_id, start_time: Some(start_time), end_time, task_name, status, flow_name,
            subflow_id, rerun, parent_step_id, step_data, misc,
        }
    }
}

proptest! {
    #![proptest_config(super::config())]
    #[test]
    fn a_step_that_a_client_encodes_is_read_as_it_was_meant(sent in step()) {
        let bytes = encoded(proto::event::Kind::Step(sent.clone()));
        let read = wire::event(&bytes);
        let Ok(Event::Step(read)) = read else {
            return Err(TestCaseError::fail(format!("{read:?}")));
        };
        prop_assert_eq!(read.instance, &sent.instance_id);
        prop_assert_eq!(read.number, sent.step_id.cast_unsigned());
        prop_assert_eq!(Some(read.started_at), sent.start_time.as_ref().map(micros));
        prop_assert_eq!(read.ended_at, sent.end_time.as_ref().map(micros));
        let words = [read.task, read.status, read.flow, read.subflow, read.parent];
        let of = |word: &Option<String>| word.clone();
        let meant = [&sent.task_name, &sent.status, &sent.flow_name, &sent.subflow_id, &sent.parent_step_id];
        prop_assert_eq!(words.map(|word| word.map(str::to_owned)), meant.map(of));
        prop_assert_eq!(read.rerun, sent.rerun);
        prop_assert_eq!(read.content, sent.step_data.as_deref());
        prop_assert_eq!(read.misc, sent.misc.as_deref());
    }
}
