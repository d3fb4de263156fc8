//! The steps of an instance: routes 5 to 8 and 11.

use std::ops::ControlFlow;

use axum::{extract::State, response::Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use serde::Serialize;

use super::{
    ask::{Named, Seen},
    instance::is_object,
    refused, streamed, wrong,
};
use crate::{
    event::Micros,
    query::{
        Attempt, Error, History, Step, StepContent,
        calls::{End, Merged, changes_no_flow},
        tasks::{is_call, of_call},
    },
    rest,
};

/// Rows read at once.
const ROWS: u32 = 1_000;

fn none_stored(id: &str) -> Error {
    Error::NotFound(format!("no step of instance {id} is stored"))
}

/// Route 5: every step as the engine posted it.
pub(super) async fn contents(
    State(history): State<History>,
    Seen(Named { id, attempt, .. }): Seen,
) -> Response {
    let contents = history.contents(&id, attempt, None, None).boxed();
    let missing = none_stored(&id);
    streamed::array(contents, missing, move |step| Some(element(&id, step))).await
}

/// A step's own bytes; of one that no Flogo engine has made, what its columns say.
fn element(id: &str, content: StepContent) -> Bytes {
    if is_object(&content.content) {
        return content.content;
    }
    let Step {
        id: number,
        started_at,
        ended_at,
        rerun,
        ..
    } = content.step;
    let time = |time: Option<Micros>| {
        time.map_or_else(
            || "0001-01-01T00:00:00Z".to_owned(),
            |time| time.to_string(),
        )
    };
    let step = Posted {
        id: number,
        flow_id: id,
        flow_changes: Nothing {},
        starttime: time(started_at),
        endtime: time(ended_at),
        rerun: rerun.unwrap_or_default(),
    };
    serde_json::to_vec(&step).unwrap_or_default().into()
}

/// `Step` of contract 1.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    id: u32,
    flow_id: &'a str,
    flow_changes: Nothing,
    starttime: String,
    endtime: String,
    rerun: bool,
}

#[derive(Serialize)]
struct Nothing {}

/// Route 6: the tasks of every step that changes a flow.
pub(super) async fn tasks(
    State(history): State<History>,
    Seen(Named { id, attempt, .. }): Seen,
) -> Response {
    let contents = history.contents(&id, attempt, None, None).boxed();
    let element = |content: StepContent| {
        if changes_no_flow(&content.step) {
            return None;
        }
        let tasks = match content.tasks() {
            Ok(tasks) => rest::json_text(&tasks),
            Err(_) => rest::json_text(&[Column::of(&content.step)]),
        };
        // the line end is the array's
        tasks
            .ok()
            .map(|text| Bytes::from(text.trim_end().to_owned()))
    };
    streamed::array(contents, none_stored(&id), element).await
}

/// The task of a step whose content no Flogo engine has made: what its columns say.
#[derive(Serialize)]
struct Column<'a> {
    id: &'a str,
    #[serde(rename = "stepId")]
    step: u32,
    #[serde(rename = "subflowId")]
    subflow: i64,
    status: &'a str,
    flow_status: &'a str,
    #[serde(rename = "startTask")]
    start_task: bool,
    #[serde(rename = "newSubflow")]
    new_subflow: bool,
    flowname: &'a str,
}

impl<'a> Column<'a> {
    fn of(step: &'a Step) -> Self {
        Self {
            id: &step.task,
            step: step.id,
            subflow: step.subflow.parse().unwrap_or_default(),
            status: &step.status,
            flow_status: "Created",
            start_task: false,
            new_subflow: false,
            flowname: &step.flow,
        }
    }
}

/// Gives `row` the steps above `after`, by id, until it breaks.
async fn rows<B>(
    history: &History,
    named: &Named,
    mut after: Option<u32>,
    mut row: impl FnMut(&Step) -> ControlFlow<B>,
) -> Result<Option<B>, Error> {
    loop {
        let page = history.steps(&named.id, named.attempt, after, ROWS);
        let page = page.await?;
        for step in &page {
            if let ControlFlow::Break(found) = row(step) {
                return Ok(Some(found));
            }
        }
        match page.last() {
            Some(last) if page.len() == ROWS as usize => after = Some(last.id),
            _ => return Ok(None),
        }
    }
}

/// The rows of an attempt, those of a call as one; none of an instance that is not stored.
async fn merged(history: &History, named: &Named) -> Result<Merged, Error> {
    let mut merged = Merged::default();
    let all = rows(history, named, None, |step| {
        merged.push(step);
        ControlFlow::<()>::Continue(())
    });
    match all.await {
        Err(Error::NotFound(_)) if named.attempt == Attempt::Newest => Ok(Merged::default()),
        Err(error) => Err(error),
        Ok(_) => Ok(merged),
    }
}

/// Route 7.
pub(super) async fn statuses(State(history): State<History>, Seen(named): Seen) -> Response {
    match merged(&history, &named).await {
        Ok(merged) => rest::json(StatusCode::OK, &merged.rows()),
        Err(error) => refused(&error),
    }
}

/// Route 11.
pub(super) async fn failed(State(history): State<History>, Seen(named): Seen) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Failed<'a> {
        flow_instance_id: &'a str,
        step_id: &'a str,
        task_name: &'a str,
    }
    match merged(&history, &named).await {
        Ok(merged) => {
            let failed = merged.failed();
            let failed = Failed {
                flow_instance_id: &named.id,
                step_id: failed.map_or("", |row| &row.step_id),
                task_name: failed.map_or("", |row| &row.task),
            };
            rest::json(StatusCode::OK, &failed)
        }
        Err(error) => refused(&error),
    }
}

/// Route 8.
pub(super) async fn task(State(history): State<History>, Seen(named): Seen) -> Response {
    let step = named.step.as_deref().unwrap_or_default();
    let Ok(number) = step.parse::<u32>() else {
        return wrong(&format!("invalid stepId: {step}; send a step's number"));
    };
    match tasks_of(&history, &named, number).await {
        Ok(response) => response,
        Err(error) => refused(&error),
    }
}

async fn tasks_of(history: &History, named: &Named, number: u32) -> Result<Response, Error> {
    let id = &named.id;
    let call = history.step(id, named.attempt, number).await?;
    if let Some(task) = named.params.first("taskName")
        && task != call.step.task
    {
        return Err(Error::NotFound(format!(
            "step {number} of instance {id} is not one of task {task}"
        )));
    }
    if changes_no_flow(&call.step) {
        return Err(Error::NotFound(format!(
            "step {number} of instance {id} is one of no task"
        )));
    }
    let Ok(tasks) = call.tasks() else {
        return Ok(rest::json(StatusCode::OK, &[Column::of(&call.step)]));
    };
    if !is_call(&tasks) {
        return Ok(rest::json(StatusCode::OK, &tasks));
    }
    let end = End::of(&call.step);
    let end = match rows(history, named, Some(number), |step| end.look(step)).await? {
        Some(Some(end)) => history.step(id, named.attempt, end).await?.tasks().ok(),
        _ => None,
    };
    Ok(rest::json(StatusCode::OK, &of_call(tasks, end)))
}
