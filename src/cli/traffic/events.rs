//! Flogo's requests as events of the protocol.

use std::ops::Not;

use bytes::Bytes;

use crate::{
    event::flogo::{FlowState, Step, Time},
    proto::{FlowEnded, FlowStarted, StepRecorded, event::Kind},
};

pub(super) fn started(state: FlowState<'_>) -> Kind {
    Kind::Started(FlowStarted {
        flow_input: Some(payload(state.flow_input())),
        instance_id: state.instance_id,
        start_time: Some(timestamp(state.start_time)),
        end_time: Some(timestamp(state.end_time)),
        flow_name: Some(state.flow_name),
        status: Some(state.status),
        original_instance_id: Some(state.original_instance_id),
        parent_instance_id: None,
        parent_flow_name: None,
        misc: None,
    })
}

pub(super) fn ended(state: FlowState<'_>) -> Kind {
    Kind::Ended(FlowEnded {
        instance_id: state.instance_id,
        // An end that does not say when its attempt began belongs to the newest one.
        start_time: state
            .start_time
            .is_zero()
            .not()
            .then(|| timestamp(state.start_time)),
        end_time: Some(timestamp(state.end_time)),
        status: Some(state.status),
        flow_output: state.outputs.map(payload),
        flow_name: Some(state.flow_name),
    })
}

pub(super) fn recorded(step: &Step<'_>, body: Bytes) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: step.instance_id.to_string(),
        step_id: step.step_id,
        start_time: Some(timestamp(step.start_time)),
        end_time: Some(timestamp(step.end_time)),
        task_name: Some(step.task_name.to_string()),
        status: Some(step.status.to_owned()),
        flow_name: Some(step.flow_name.to_string()),
        subflow_id: Some(step.subflow_id.to_string()),
        rerun: Some(step.rerun),
        parent_step_id: None,
        step_data: Some(body),
        misc: None,
    })
}

fn payload(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn timestamp(time: Time) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.seconds,
        nanos: time.nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_start_time_names_no_attempt() {
        let state = FlowState::parse("{}").expect("a state");
        let Kind::Ended(end) = ended(state) else {
            unreachable!("an end makes an end")
        };
        assert_eq!(end.start_time, None);
        assert!(end.end_time.is_some());
    }
}
