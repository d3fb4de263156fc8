//! What a rerun goes by: the state after a step, and the plan.

use bytes::Bytes;

use super::{
    answer::{self, Bounded as _},
    ask,
};
use crate::{
    proto,
    query::{Error, History},
};

/// Bytes of inputs that a plan holds, at most.
const SHOWN: usize = 1 << 20;

/// The state after a step, as JSON.
pub(super) async fn snapshot(
    history: &History,
    request: proto::ReadSnapshotRequest,
) -> Result<Bytes, Error> {
    let (id, attempt) = (&request.instance_id, ask::attempt(request.attempt));
    let snapshot = history.snapshot(id, attempt, request.step_id).await?;
    let last = snapshot.last_step().unwrap_or_default();
    match request.step_id {
        Some(step) if step > last => Err(Error::NotFound(format!(
            "step {step} of instance {id} is not stored; the last one before it is {last}"
        ))),
        _ => Ok(snapshot.to_json().into()),
    }
}

/// The plan of a rerun.
pub(super) async fn plan(
    history: &History,
    request: proto::PlanRerunRequest,
) -> Result<proto::PlanRerunResponse, Error> {
    let attempt = ask::attempt(request.attempt);
    let plan = history
        .plan(&request.instance_id, attempt, request.from_step)
        .await?;
    let input = plan.input.unwrap_or_default();
    let input_bytes = input.len() as u64;
    let replaced = plan.replaced.into_iter().map(answer::step);
    Ok(proto::PlanRerunResponse {
        instance: Some(answer::instance(plan.instance)),
        flow_uri: plan.flow_uri,
        task_name: plan.task,
        input: Some(input)
            .filter(|input| input.len() <= SHOWN)
            .unwrap_or_default(),
        input_bytes,
        state_bytes: plan.state.map_or(0, |state| state.len() as u64),
        replaced: replaced.bounded().collect(),
        replaced_steps: plan.replaced_steps,
        missing: plan.missing,
        warnings: plan.warnings,
    })
}
