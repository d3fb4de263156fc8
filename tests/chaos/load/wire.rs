//! Events in the words of the protocol.

use bytes::Bytes;
use flowtrail::proto::{Event, FlowEnded, FlowStarted, Hello, StepRecorded, event::Kind};
use prost::Message as _;

use super::{
    emission,
    story::{Source, Time, What},
};

const SECOND: Time = 1_000_000;

/// The first message of a stream.
pub(super) fn hello(source: &Source) -> Hello {
    Hello {
        user: source.user.clone(),
        app: source.app.clone(),
        app_version: source.version.clone(),
        host: source.host.clone(),
        client: "chaos".into(),
    }
}

/// An event as a chunk holds it.
pub(super) fn encode(event: &emission::Event) -> Bytes {
    let instance_id = event.instance().id.clone();
    let kind = match event.what() {
        What::Start(start) => Kind::Started(FlowStarted {
            instance_id,
            start_time: time(start.at),
            end_time: time(start.ended_at),
            flow_name: Some(start.flow.clone()),
            status: Some(start.status.into()),
            original_instance_id: start.original.clone(),
            parent_instance_id: start.parent.as_ref().map(|(id, _)| id.clone()),
            parent_flow_name: start.parent.as_ref().map(|(_, flow)| flow.clone()),
            flow_input: Some(start.input.clone()),
            misc: start.misc.clone(),
        }),
        What::Step(step) => Kind::Step(StepRecorded {
            instance_id,
            step_id: step.number,
            start_time: time(step.at),
            end_time: time(step.ended_at),
            task_name: Some(step.task.into()),
            status: Some(step.status.into()),
            flow_name: Some(step.flow.clone()),
            subflow_id: Some(step.subflow.clone()),
            rerun: Some(step.rerun),
            parent_step_id: step.parent.clone(),
            step_data: Some(step.data.clone()),
            misc: step.misc.clone(),
        }),
        What::End(end) => Kind::Ended(FlowEnded {
            instance_id,
            start_time: end.at.and_then(time),
            end_time: time(end.ended_at),
            status: Some(end.status.into()),
            flow_output: Some(end.output.clone()),
            flow_name: end.flow.clone(),
        }),
    };
    Event { kind: Some(kind) }.encode_to_vec().into()
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the events' fields")]
fn time(at: Time) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: at.div_euclid(SECOND),
        nanos: i32::try_from(at.rem_euclid(SECOND) * 1_000).expect("below a second"),
    })
}
