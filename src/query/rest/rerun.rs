//! What the engines' own service could not say: the attempts of an instance, and what a rerun would
//! take and do.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    ask::{Named, Seen},
    refused, wrong,
};
use crate::{
    event::Micros,
    query::{AttemptInfo, History, Plan, Step, plan::EngineRequest},
    rest,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    number: u32,
    start_time: Option<String>,
    end_time: Option<String>,
    status: &'a str,
    own_steps: u32,
    first_own_step: Option<u32>,
}

impl<'a> From<&'a AttemptInfo> for Attempt<'a> {
    fn from(attempt: &'a AttemptInfo) -> Self {
        let text = |time: Option<Micros>| time.map(|time| time.to_string());
        Self {
            number: attempt.number,
            start_time: text(attempt.instance.started_at),
            end_time: text(attempt.instance.ended_at),
            status: &attempt.instance.status,
            own_steps: attempt.own_steps,
            first_own_step: attempt.first_own_step,
        }
    }
}

/// The attempts of an instance, the first one first.
pub(super) async fn attempts(
    State(history): State<History>,
    Seen(Named { id, .. }): Seen,
) -> Response {
    match history.attempts(&id).await {
        Ok(attempts) => {
            let attempts: Vec<Attempt> = attempts.iter().map(Attempt::from).collect();
            rest::json(StatusCode::OK, &attempts)
        }
        Err(error) => refused(&error),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rerun<'a> {
    instance_id: &'a str,
    status: &'a str,
    flow_uri: &'a str,
    /// `null` for the whole flow.
    from: Option<u32>,
    task: Option<&'a str>,
    input: Option<&'a RawValue>,
    /// As route 10 shows it for the step before.
    state: Option<&'a RawValue>,
    replaced: Vec<Replaced<'a>>,
    replaced_steps: u32,
    missing: &'a [String],
    warnings: &'a [String],
    /// What to post to the engine; `null` when something is missing.
    engine_request: Option<EngineRequest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replaced<'a> {
    step_id: u32,
    task_name: &'a str,
    status: &'a str,
}

impl<'a> From<&'a Step> for Replaced<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            step_id: step.id,
            task_name: &step.task,
            status: &step.status,
        }
    }
}

impl<'a> From<&'a Plan> for Rerun<'a> {
    fn from(plan: &'a Plan) -> Self {
        let input = plan.input.as_deref();
        let state = plan.state.as_deref();
        Self {
            instance_id: &plan.instance.id,
            status: &plan.instance.status,
            flow_uri: &plan.flow_uri,
            from: plan.from,
            task: plan.task.as_deref(),
            input: input.and_then(|bytes| serde_json::from_slice(bytes).ok()),
            state: state.and_then(|text| serde_json::from_str(text).ok()),
            replaced: plan.replaced.iter().map(Replaced::from).collect(),
            replaced_steps: plan.replaced_steps,
            missing: &plan.missing,
            warnings: &plan.warnings,
            engine_request: plan.request(),
        }
    }
}

/// The plan of a rerun, of the whole flow or from before `?from=N` on.
pub(super) async fn rerun(State(history): State<History>, Seen(named): Seen) -> Response {
    let from = match named.params.first("from") {
        None => None,
        Some(text) => match text.parse() {
            Ok(step) if step > 0 => Some(step),
            _ => {
                return wrong(&format!(
                    "from is `{text}`; send a step's number from 1 on, or nothing for the whole flow"
                ));
            }
        },
    };
    match history.plan(&named.id, named.attempt, from).await {
        Ok(plan) => rest::json(StatusCode::OK, &Rerun::from(&plan)),
        Err(error) => refused(&error),
    }
}
