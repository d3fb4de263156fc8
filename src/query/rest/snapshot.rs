//! The state of an instance: routes 9 and 10.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    ask::{Named, Seen},
    refused, wrong,
};
use crate::{
    query::{Error, History, Snapshot},
    rest,
};

/// Route 9: after the last step.
pub(super) async fn last(
    State(history): State<History>,
    Seen(Named { id, attempt, .. }): Seen,
) -> Response {
    match history.snapshot(&id, attempt, None).await {
        Ok(snapshot) => shown(&snapshot),
        Err(error) => refused(&error),
    }
}

/// Route 10: after a step. The engines' own service counts from the step that it stored first, here
/// it is the step's id; of steps without a gap that is the same.
pub(super) async fn at(State(history): State<History>, Seen(named): Seen) -> Response {
    let step = named.step.as_deref().unwrap_or_default();
    // what is beyond any step's id is beyond the last step, too
    let through = match step.parse::<u64>() {
        Ok(number) => u32::try_from(number).unwrap_or(u32::MAX),
        Err(_) => return wrong(&format!("invalid stepId: {step}")),
    };
    match after(&history, &named, through).await {
        Ok((snapshot, true)) => shown(&snapshot),
        Ok((snapshot, false)) => {
            let steps = snapshot.steps();
            wrong(&format!("invalid stepId: {step}, only {steps} exists"))
        }
        Err(error) => refused(&error),
    }
}

/// The state after step `through`, and whether there is such a step, or a gap in its place.
async fn after(history: &History, named: &Named, through: u32) -> Result<(Snapshot, bool), Error> {
    let snapshot = history
        .snapshot(&named.id, named.attempt, Some(through))
        .await?;
    let there = snapshot.last_step() == Some(through) || {
        let later = history.steps(&named.id, named.attempt, Some(through), 1);
        !later.await?.is_empty()
    };
    Ok((snapshot, there))
}

fn shown(snapshot: &Snapshot) -> Response {
    rest::raw_json(StatusCode::OK, rest::go_json(&snapshot.to_json()))
}
