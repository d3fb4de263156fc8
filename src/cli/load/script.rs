//! The recorded flows, taken apart: what stays the same in every instance, and the places where an
//! id, a number or a time stands.

use anyhow::Context as _;
use bytes::Bytes;
use serde::Deserialize;

use crate::event::flogo::{FlowState, Step};

use super::body::{Body, Slot};

const TRAFFIC: &str = include_str!("../../../demo/recorder-traffic.jsonl");

/// A recorded flow.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) flow: String,
    pub(super) start: Body,
    pub(super) input: Bytes,
    pub(super) steps: Vec<Recorded>,
    pub(super) end: Body,
    /// Status of the end.
    pub(super) ended: String,
    pub(super) output: Option<Bytes>,
}

/// A recorded step: the columns that do not change, and its body.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) task: String,
    pub(super) status: String,
    pub(super) flow: String,
    pub(super) subflow: String,
    pub(super) body: Body,
}

#[derive(Deserialize)]
struct Request {
    path: String,
    body: String,
}

/// The recorded flows, reported by `app` of `user`. Steps have the body they were recorded with, or one
/// of about `payload` bytes.
///
/// # Errors
/// When the traffic built in cannot be read.
pub(super) fn scripts(
    user: &str,
    app: &str,
    payload: Option<usize>,
) -> anyhow::Result<Vec<Script>> {
    let mut requests = Vec::new();
    for line in TRAFFIC.lines() {
        requests.push(serde_json::from_str::<Request>(line).context("recorded traffic")?);
    }
    let of = |path: &'static str| requests.iter().filter(move |request| request.path == path);
    let mut scripts = Vec::new();
    for request in of("/v1/instances/start") {
        let state = FlowState::parse(&request.body.clone().into())?;
        let id = &state.instance_id;
        let mine = |request: &&Request| request.body.contains(id.as_str());
        let end = of("/v1/instances/end").find(mine).context("an end")?;
        let ending = FlowState::parse(&end.body.clone().into())?;
        let steps = of("/v1/instances/steps").filter(mine).map(|request| {
            let step = Step::parse(&request.body.clone().into())?;
            let body = match payload {
                None => Body::new(&request.body, &places(id, user, app)),
                Some(bytes) => Body::sized(&state.flow_name, &step.task_name, bytes),
            };
            anyhow::Ok(Recorded {
                task: step.task_name,
                status: step.status,
                flow: step.flow_name,
                subflow: step.subflow_id,
                body,
            })
        });
        scripts.push(Script {
            steps: steps.collect::<anyhow::Result<_>>()?,
            start: Body::new(&request.body, &places(id, user, app)),
            input: state.flow_input(),
            end: Body::new(&end.body, &places(id, user, app)),
            ended: ending.status,
            output: ending.outputs,
            flow: state.flow_name,
        });
    }
    Ok(scripts)
}

/// What stands in the recorded bodies, and what takes its place.
fn places<'a>(id: &'a str, user: &'a str, app: &'a str) -> [(&'a str, Slot<'a>); 9] {
    [
        (id, Slot::Instance),
        ("{\"id\":", Slot::Number),
        ("\"starttime\":\"", Slot::StartedAt),
        ("\"endtime\":\"", Slot::EndedAt),
        ("\"start_time\":\"", Slot::StartedAt),
        ("\"end_time\":\"", Slot::EndedAt),
        ("\"original_instance_id\":\"", Slot::Original),
        ("\"user_id\":\"", Slot::Text(user)),
        ("\"app_name\":\"", Slot::Text(app)),
    ]
}
