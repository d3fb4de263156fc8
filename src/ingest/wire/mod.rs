//! From the frame of a chunk to events: each event is decoded by itself, so that a broken one is
//! reported by its index and costs its neighbours nothing.
//!
//! Texts and payloads of the decoded [`Event`] are slices of the frame. Nothing after this module
//! sees protobuf. Field numbers are those of `proto/flowtrail/v1/record.proto`; fields this server
//! does not know are skipped, so that newer clients can talk to it.

mod fields;

use fields::Fields;

use crate::event::{Event, FlowEnd, FlowStart, Invalid, Micros, Reason, Step, indexed_text, text};

/// The event encoded in `bytes`.
///
/// # Errors
/// What makes it [`Invalid`], naming the field.
pub fn event(bytes: &[u8]) -> Result<Event<'_>, Invalid> {
    let mut kind = None;
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next()? {
        match field {
            1..=3 => kind = Some((field, fields.bytes("event.kind")?)),
            _ => fields.skip()?,
        }
    }
    match kind {
        Some((1, body)) => start(body).map(Event::Started),
        Some((2, body)) => step(body).map(Event::Step),
        Some((_, body)) => end(body).map(Event::Ended),
        None => Err(Invalid::new(
            Reason::UnknownKind,
            "the event is none of started, step and ended; set one, or update the server",
        )),
    }
}

fn start(body: &[u8]) -> Result<FlowStart<'_>, Invalid> {
    let (mut instance, mut started_at, mut ended_at) = ("", None, None);
    let (mut flow, mut status, mut original) = (None, None, None);
    let (mut parent, mut parent_flow, mut input, mut misc) = (None, None, None, None);
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match field {
            1 => instance = fields.indexed("instance_id")?,
            2 => started_at = Some(fields.time("start_time")?),
            3 => ended_at = Some(fields.time("end_time")?),
            4 => flow = Some(fields.indexed("flow_name")?),
            5 => status = Some(fields.indexed("status")?),
            6 => original = Some(fields.indexed("original_instance_id")?),
            7 => parent = Some(fields.indexed("parent_instance_id")?),
            8 => parent_flow = Some(fields.text("parent_flow_name")?),
            9 => input = Some(fields.bytes("flow_input")?),
            10 => misc = Some(fields.bytes("misc")?),
            _ => fields.skip()?,
        }
    }
    Ok(FlowStart {
        instance: not_empty(instance)?,
        started_at: started_at.ok_or_else(|| Invalid::missing("start_time"))?,
        ended_at,
        flow,
        status,
        original,
        parent,
        parent_flow,
        input,
        misc,
    })
}

fn step(body: &[u8]) -> Result<Step<'_>, Invalid> {
    let (mut instance, mut number, mut started_at, mut ended_at) = ("", 0, None, None);
    let (mut task, mut status, mut flow, mut subflow) = (None, None, None, None);
    let (mut rerun, mut parent, mut content, mut misc) = (None, None, None, None);
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match field {
            1 => instance = fields.indexed("instance_id")?,
            2 => number = fields.step_id("step_id")?,
            3 => started_at = Some(fields.time("start_time")?),
            4 => ended_at = Some(fields.time("end_time")?),
            5 => task = Some(fields.text("task_name")?),
            6 => status = Some(fields.text("status")?),
            7 => flow = Some(fields.text("flow_name")?),
            8 => subflow = Some(fields.text("subflow_id")?),
            9 => rerun = Some(fields.boolean("rerun")?),
            10 => parent = Some(fields.text("parent_step_id")?),
            11 => content = Some(fields.bytes("step_data")?),
            12 => misc = Some(fields.bytes("misc")?),
            _ => fields.skip()?,
        }
    }
    Ok(Step {
        instance: not_empty(instance)?,
        number,
        started_at: started_at.ok_or_else(|| Invalid::missing("start_time"))?,
        ended_at,
        task,
        status,
        flow,
        subflow,
        rerun,
        parent,
        content,
        misc,
    })
}

fn end(body: &[u8]) -> Result<FlowEnd<'_>, Invalid> {
    let (mut instance, mut started_at, mut ended_at) = ("", None, None);
    let (mut status, mut output, mut flow) = (None, None, None);
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match field {
            1 => instance = fields.indexed("instance_id")?,
            2 => started_at = Some(fields.time("start_time")?),
            3 => ended_at = Some(fields.time("end_time")?),
            4 => status = Some(fields.indexed("status")?),
            5 => output = Some(fields.bytes("flow_output")?),
            6 => flow = Some(fields.indexed("flow_name")?),
            _ => fields.skip()?,
        }
    }
    Ok(FlowEnd {
        instance: not_empty(instance)?,
        started_at,
        ended_at: ended_at.ok_or_else(|| Invalid::missing("end_time"))?,
        status,
        flow,
        output,
    })
}

fn not_empty(instance: &str) -> Result<&str, Invalid> {
    if instance.is_empty() {
        return Err(Invalid::missing("instance_id"));
    }
    Ok(instance)
}

#[cold]
fn malformed(field: &'static str) -> Invalid {
    Invalid::new(
        Reason::UnknownKind,
        format!("{field} is not encoded as flowtrail.v1.Event says; generate the client from it"),
    )
}

impl<'a> Fields<'a> {
    #[inline]
    fn text(&mut self, field: &'static str) -> Result<&'a str, Invalid> {
        text(field, self.bytes(field)?)
    }

    #[inline]
    fn indexed(&mut self, field: &'static str) -> Result<&'a str, Invalid> {
        indexed_text(field, self.bytes(field)?)
    }

    fn boolean(&mut self, field: &'static str) -> Result<bool, Invalid> {
        Ok(self.varint(field)? != 0)
    }

    /// An int32, which protobuf cuts out of the low half of a varint.
    fn step_id(&mut self, field: &'static str) -> Result<u32, Invalid> {
        let low = self.varint(field)? & 0xffff_ffff;
        u32::try_from(low)
            .ok()
            .filter(|number| i32::try_from(*number).is_ok())
            .ok_or_else(|| {
                Invalid::new(
                    Reason::InvalidStepId,
                    format!("{field} is below zero; number steps from 0"),
                )
            })
    }

    fn time(&mut self, field: &'static str) -> Result<Micros, Invalid> {
        let (mut seconds, mut nanos) = (0, 0);
        let mut parts = Fields::new(self.bytes(field)?);
        while let Some(part) = parts.next()? {
            match part {
                1 => seconds = parts.varint(field)?.cast_signed(),
                2 => nanos = parts.varint(field)?.cast_signed(),
                _ => parts.skip()?,
            }
        }
        Micros::from_unix(field, seconds, nanos)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto;

    #[expect(clippy::unnecessary_wraps, reason = "what the fields hold")]
    fn time(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp {
            seconds,
            nanos: 1_500,
        })
    }

    fn encode(kind: proto::event::Kind) -> Vec<u8> {
        proto::Event { kind: Some(kind) }.encode_to_vec()
    }

    fn full_step() -> proto::StepRecorded {
        proto::StepRecorded {
            instance_id: "i1".into(),
            step_id: 7,
            start_time: time(5),
            end_time: time(6),
            task_name: Some(String::new()),
            status: Some("Completed".into()),
            flow_name: None,
            subflow_id: Some("0".into()),
            rerun: Some(false),
            parent_step_id: Some("3".into()),
            step_data: Some(vec![0, 255].into()),
            misc: Some(bytes::Bytes::new()),
        }
    }

    #[test]
    fn every_field_of_a_step_arrives_and_unset_differs_from_empty() {
        let bytes = encode(proto::event::Kind::Step(full_step()));
        let Ok(Event::Step(step)) = event(&bytes) else {
            panic!("a step")
        };
        assert_eq!((step.instance, step.number), ("i1", 7));
        assert_eq!((step.task, step.flow), (Some(""), None));
        assert_eq!((step.status, step.subflow), (Some("Completed"), Some("0")));
        assert_eq!((step.rerun, step.parent), (Some(false), Some("3")));
        assert_eq!(
            (step.content, step.misc),
            (Some(&[0, 255][..]), Some(&[][..]))
        );
        assert_eq!(
            step.ended_at
                .map(|t| t.since_2000() - step.started_at.since_2000()),
            Some(1_000_000)
        );
    }

    #[test]
    fn every_field_of_a_start_and_an_end_arrives() {
        let bytes = encode(proto::event::Kind::Started(proto::FlowStarted {
            instance_id: "i".into(),
            start_time: time(5),
            end_time: time(6),
            flow_name: Some("f".into()),
            status: Some("Created".into()),
            original_instance_id: Some("o".into()),
            parent_instance_id: Some("p".into()),
            parent_flow_name: Some("pf".into()),
            flow_input: Some("in".into()),
            misc: Some("m".into()),
        }));
        let Ok(Event::Started(start)) = event(&bytes) else {
            panic!("a start")
        };
        assert_eq!(
            (start.flow, start.status, start.original),
            (Some("f"), Some("Created"), Some("o"))
        );
        assert_eq!((start.parent, start.parent_flow), (Some("p"), Some("pf")));
        assert_eq!(
            (start.input, start.misc),
            (Some(&b"in"[..]), Some(&b"m"[..]))
        );
        let bytes = encode(proto::event::Kind::Ended(proto::FlowEnded {
            instance_id: "i".into(),
            start_time: None,
            end_time: time(6),
            status: Some("Failed".into()),
            flow_output: Some("out".into()),
            flow_name: Some("f".into()),
        }));
        let Ok(Event::Ended(end)) = event(&bytes) else {
            panic!("an end")
        };
        assert_eq!(
            (end.started_at, end.status, end.flow),
            (None, Some("Failed"), Some("f"))
        );
        assert_eq!(end.output, Some(&b"out"[..]));
    }

    type Change = fn(&mut proto::StepRecorded);

    #[test]
    fn an_invalid_event_names_its_field() {
        let check = |change: Change, reason, field: &str| {
            let mut step = full_step();
            change(&mut step);
            let bytes = encode(proto::event::Kind::Step(step));
            let invalid = event(&bytes).expect_err(field);
            assert_eq!(invalid.reason, reason, "{invalid}");
            assert!(invalid.sentence.contains(field), "{invalid}");
        };
        check(
            |s| s.instance_id.clear(),
            Reason::MissingField,
            "instance_id",
        );
        check(
            |s| s.instance_id = "x".repeat(513),
            Reason::TextTooLong,
            "instance_id",
        );
        check(|s| s.start_time = None, Reason::MissingField, "start_time");
        check(|s| s.step_id = -1, Reason::InvalidStepId, "step_id");
        check(
            |s| s.status = Some("a\0".into()),
            Reason::InvalidText,
            "status",
        );
        check(
            |s| s.end_time = time(i64::MAX),
            Reason::InvalidTime,
            "end_time",
        );
    }

    #[test]
    fn what_is_no_event_is_of_unknown_kind() {
        for bytes in [
            &b""[..],
            b"\xff\xff",
            b"\x0a\x05ab",
            b"\x08\x01",
            b"\x7a\x00",
            b"\x12\x02\x0a\x05",
        ] {
            assert_eq!(
                event(bytes).expect_err("no event").reason,
                Reason::UnknownKind,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn unknown_fields_are_skipped() {
        let mut bytes = encode(proto::event::Kind::Step(full_step()));
        bytes.extend_from_slice(&[0x98, 0x06, 0x01, 0xa2, 0x06, 0x01, b'x']);
        assert!(event(&bytes).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_event_or_invalid(bytes: Vec<u8>) {
            let _ = event(&bytes);
        }
    }
}
