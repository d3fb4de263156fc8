//! Events and sources as messages.

use flowtrail::proto::{FlowEnded, FlowStarted, Hello, StepRecorded, event::Kind};

use super::{
    event::{Source, Time, What},
    world::id,
};

impl Source {
    pub(super) fn hello(&self) -> Hello {
        Hello {
            user: self.user.clone(),
            app: self.app.clone(),
            app_version: self.version.clone(),
            host: self.host.clone(),
            client: "test".into(),
        }
    }
}

impl What {
    /// As it is sent.
    pub(super) fn kind(&self, case: usize, instance: usize) -> Kind {
        let instance_id = id(case, instance);
        let bytes = |text: &Option<String>| text.clone().map(bytes::Bytes::from);
        match self.clone().named(case) {
            Self::Start(_, start) => Kind::Started(FlowStarted {
                instance_id,
                start_time: time(Some(start.at)),
                end_time: time(start.ended_at),
                flow_input: bytes(&start.input),
                misc: bytes(&start.misc),
                flow_name: start.flow,
                status: start.status,
                original_instance_id: start.original,
                parent_instance_id: start.parent,
                parent_flow_name: None,
            }),
            Self::End(_, end) => Kind::Ended(FlowEnded {
                instance_id,
                start_time: time(end.at),
                end_time: time(Some(end.ended_at)),
                flow_output: bytes(&end.output),
                status: end.status,
                flow_name: end.flow,
            }),
            Self::Step(step) => Kind::Step(StepRecorded {
                instance_id,
                step_id: step.number,
                start_time: time(Some(step.at)),
                end_time: time(step.ended_at),
                step_data: bytes(&step.data),
                task_name: step.task,
                status: step.status,
                rerun: step.rerun,
                ..StepRecorded::default()
            }),
        }
    }
}

fn time(seconds: Option<Time>) -> Option<prost_types::Timestamp> {
    seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 })
}
