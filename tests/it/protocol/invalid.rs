//! Events that can never be taken: rejected by their index, and their neighbours are stored.

use bytes::Bytes;
use flowtrail::proto::{
    Event, FlowEnded, FlowStarted, RejectionCode as Code, StepRecorded, event::Kind,
};
use prost::Message as _;
use prost_types::Timestamp;

use crate::support::{self, Stream, count, end, events, hello, start, step, time};

/// An event, and the code and the word in the reason that it is rejected with.
type Case = (Bytes, Code, &'static str);

fn case(kind: Kind, code: Code, names: &'static str) -> Case {
    let [encoded] = <[Bytes; 1]>::try_from(events([kind])).expect("one event");
    (encoded, code, names)
}

/// Three events, each changed by `change`.
fn each(code: Code, names: &'static str, change: impl Fn(&mut Whole)) -> [Case; 3] {
    [start("i1", 5), step("i1", 7), end("i1", Some(5), 6)].map(|kind| {
        let mut whole = Whole(kind);
        change(&mut whole);
        case(whole.0, code, names)
    })
}

struct Whole(Kind);

impl Whole {
    fn instance(&mut self) -> &mut String {
        match &mut self.0 {
            Kind::Started(start) => &mut start.instance_id,
            Kind::Step(step) => &mut step.instance_id,
            Kind::Ended(end) => &mut end.instance_id,
        }
    }

    /// Start and end time.
    fn times(&mut self) -> [&mut Option<Timestamp>; 2] {
        match &mut self.0 {
            Kind::Started(start) => [&mut start.start_time, &mut start.end_time],
            Kind::Step(step) => [&mut step.start_time, &mut step.end_time],
            Kind::Ended(end) => [&mut end.start_time, &mut end.end_time],
        }
    }
}

/// A text besides the instance: its field, whether it is part of an index, and an event with it.
type Text = (&'static str, bool, fn(String) -> Kind);

fn texts() -> Vec<Text> {
    fn started(change: impl FnOnce(&mut FlowStarted)) -> Kind {
        let mut start = FlowStarted {
            instance_id: "i1".into(),
            start_time: time(5),
            ..FlowStarted::default()
        };
        change(&mut start);
        Kind::Started(start)
    }
    fn stepped(change: impl FnOnce(&mut StepRecorded)) -> Kind {
        let mut step = StepRecorded {
            instance_id: "i1".into(),
            start_time: time(5),
            ..StepRecorded::default()
        };
        change(&mut step);
        Kind::Step(step)
    }
    fn ended(change: impl FnOnce(&mut FlowEnded)) -> Kind {
        let mut end = FlowEnded {
            instance_id: "i1".into(),
            end_time: time(5),
            ..FlowEnded::default()
        };
        change(&mut end);
        Kind::Ended(end)
    }
    vec![
        ("flow_name", true, |t| started(|e| e.flow_name = Some(t))),
        ("status", true, |t| started(|e| e.status = Some(t))),
        ("original_instance_id", true, |t| {
            started(|e| e.original_instance_id = Some(t))
        }),
        ("parent_instance_id", true, |t| {
            started(|e| e.parent_instance_id = Some(t))
        }),
        ("parent_flow_name", false, |t| {
            started(|e| e.parent_flow_name = Some(t))
        }),
        ("task_name", false, |t| stepped(|e| e.task_name = Some(t))),
        ("status", false, |t| stepped(|e| e.status = Some(t))),
        ("flow_name", false, |t| stepped(|e| e.flow_name = Some(t))),
        ("subflow_id", false, |t| stepped(|e| e.subflow_id = Some(t))),
        ("parent_step_id", false, |t| {
            stepped(|e| e.parent_step_id = Some(t))
        }),
        ("status", true, |t| ended(|e| e.status = Some(t))),
        ("flow_name", true, |t| ended(|e| e.flow_name = Some(t))),
    ]
}

/// `event` with bytes that are no UTF-8 in the place of `@@`.
fn no_utf8(event: &Bytes) -> Bytes {
    let at = event.windows(2).position(|pair| pair == b"@@");
    let mut bytes = event.to_vec();
    let at = at.expect("the place was marked");
    bytes[at..at + 2].copy_from_slice(&[0xc3, 0x28]);
    bytes.into()
}

fn wrong_texts() -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, indexed, kind) in texts() {
        cases.push(case(kind("a\0".into()), Code::InvalidText, field));
        let (event, ..) = case(kind("@@".into()), Code::InvalidText, field);
        cases.push((no_utf8(&event), Code::InvalidText, field));
        if indexed {
            cases.push(case(kind("ä".repeat(257)), Code::TextTooLong, field));
        }
    }
    let instance = "instance_id";
    cases.extend(each(Code::MissingField, instance, |e| e.instance().clear()));
    cases.extend(each(Code::InvalidText, instance, |e| {
        e.instance().push('\0');
    }));
    cases.extend(each(Code::TextTooLong, instance, |e| {
        *e.instance() = "x".repeat(513);
    }));
    let marked = each(Code::InvalidText, instance, |e| *e.instance() = "@@".into());
    cases.extend(marked.map(|(event, code, names)| (no_utf8(&event), code, names)));
    cases
}

/// The first second outside of PostgreSQL's range on either side.
const TOO_LATE: i64 = 9_224_318_016_000;
const TOO_EARLY: i64 = -210_866_803_201;

fn wrong_times() -> Vec<Case> {
    let mut cases = Vec::new();
    let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
    for wrong in [
        at(TOO_LATE, 0),
        at(TOO_LATE - 1, 999_999_501),
        at(TOO_EARLY, 999_999_499),
        at(i64::MAX, 0),
        at(i64::MIN, 0),
        at(5, -1),
        at(5, 1_000_000_000),
        at(5, i32::MIN),
    ] {
        let code = Code::InvalidTime;
        cases.extend(each(code, "start_time", |e| *e.times()[0] = wrong));
        cases.extend(each(code, "end_time", |e| *e.times()[1] = wrong));
    }
    let mut start = Whole(start("i1", 5));
    *start.times()[0] = None;
    cases.push(case(start.0, Code::MissingField, "start_time"));
    let mut step = Whole(step("i1", 5));
    *step.times()[0] = None;
    cases.push(case(step.0, Code::MissingField, "start_time"));
    let mut end = Whole(end("i1", Some(5), 6));
    *end.times()[1] = None;
    cases.push(case(end.0, Code::MissingField, "end_time"));
    cases
}

fn wrong_events() -> Vec<Case> {
    let unknown = |bytes: &'static [u8]| (Bytes::from_static(bytes), Code::UnknownKind, "event");
    let none = Event { kind: None }.encode_to_vec();
    let large = |field: fn(&mut StepRecorded, Bytes)| {
        let mut step = StepRecorded {
            instance_id: "i1".into(),
            start_time: time(5),
            ..StepRecorded::default()
        };
        field(&mut step, vec![0; 8_192].into());
        case(Kind::Step(step), Code::EventTooLarge, "8192")
    };
    vec![
        (none.into(), Code::UnknownKind, "started, step and ended"),
        unknown(b"\x22\x00"),
        unknown(b"\xff\xff\xff"),
        unknown(b"\x12\x7f\x0a\x01x"),
        unknown(b"\x10\x01"),
        case(step("i1", -1), Code::InvalidStepId, "step_id"),
        case(step("i1", i32::MIN), Code::InvalidStepId, "step_id"),
        large(|step, payload| step.step_data = Some(payload)),
        large(|step, payload| step.misc = Some(payload)),
    ]
}

#[tokio::test]
async fn an_invalid_event_is_rejected_by_its_index_and_harms_nobody() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--max-event-bytes", "8192"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let check = async |stream: &mut Stream, sequence, cases: Vec<Case>| {
        let mut chunk = Vec::new();
        for (number, (event, ..)) in (0..).zip(&cases) {
            chunk.extend(events([step(&format!("good-{sequence}"), number)]));
            chunk.push(event.clone());
        }
        chunk.extend(events([step("last", i32::try_from(sequence).unwrap())]));
        stream.chunk_as(sequence, chunk).await;
        let ack = stream.ack().await;
        assert_eq!(ack.invalid, cases.len() as u64);
        assert_eq!(ack.recorded, cases.len() as u64 + 1);
        assert_eq!(ack.rejections.len(), cases.len());
        for ((rejection, (_, code, names)), number) in ack.rejections.iter().zip(&cases).zip(0..) {
            let named = format!("{names}: {rejection:?}");
            assert_eq!(rejection.sequence, sequence, "{named}");
            assert_eq!(rejection.index, 2 * number + 1, "{named}");
            assert_eq!(rejection.code(), *code, "{named}");
            assert!(rejection.reason.contains(names), "{named}");
        }
    };
    check(&mut stream, 1, wrong_events()).await;
    check(&mut stream, 2, wrong_texts()).await;
    check(&mut stream, 3, wrong_times()).await;
    stream.finish().await;
    let others = "select count(*) from steps where flowinstanceid !~ '^(good-|last)'";
    assert_eq!(count(&database, others).await, 0);
    let cases = [wrong_events(), wrong_texts(), wrong_times()]
        .concat()
        .len();
    let stored = i64::try_from(cases).unwrap() + 3;
    assert_eq!(count(&database, "select count(*) from steps").await, stored);
    assert_eq!(count(&database, "select count(*) from flowstate").await, 0);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_just_inside_the_limits_is_stored() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--max-event-bytes", "8192"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let longest: Vec<Kind> = texts()
        .into_iter()
        .map(|(_, indexed, kind)| kind("ä".repeat(if indexed { 256 } else { 3_000 })))
        .zip(0..)
        .map(|(kind, number)| {
            let mut whole = Whole(kind);
            *whole.instance() = format!("{number:0512}");
            whole.0
        })
        .collect();
    let longest_count = longest.len() as u64;
    stream.chunk(longest).await;
    assert_eq!(stream.ack().await.recorded, longest_count);
    let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let edges = [at(TOO_LATE - 1, 999_999_499), at(TOO_EARLY + 1, 0)];
    for (number, edge) in (0..).zip(edges) {
        let mut whole = Whole(step("edge", number));
        let [start, end] = whole.times();
        (*start, *end) = (edge, edge);
        stream.chunk([whole.0]).await;
        assert_eq!(stream.ack().await.recorded, 1);
    }
    stream.chunk([step("edge", i32::MAX)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    let client = database.client().await;
    let rows =
        "select starttime::text from steps where flowinstanceid = 'edge' order by stepid::bigint";
    let stored = client.query(rows, &[]).await.unwrap();
    let stored: Vec<&str> = stored.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored[0], "294276-12-31 23:59:59.999999");
    assert_eq!(stored[1], "4714-11-24 00:00:00 BC");
    service.stop().await.unwrap();
}
