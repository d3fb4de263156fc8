//! Instances and steps as commands print them: all of it as JSON, the most needed as a table.

use serde::Serialize;

use super::{
    history::{milliseconds, short_time, span, time},
    output::{self, Output},
};
use crate::proto;

/// An instance with everything about it but its payloads.
#[derive(Serialize)]
pub struct Instance {
    id: String,
    user: String,
    app: String,
    version: String,
    flow: String,
    host: String,
    status: String,
    started: Option<String>,
    /// About the start time while it runs.
    ended: Option<String>,
    milliseconds: Option<f64>,
    rerun_of: Option<String>,
    reruns: i32,
    parent: Option<String>,
    parent_flow: Option<String>,
}

/// What of an instance fits into a line.
#[derive(Serialize)]
struct Line {
    id: String,
    app: String,
    flow: String,
    status: String,
    started: Option<String>,
    took: Option<String>,
    host: String,
}

/// A step without its content.
#[derive(Serialize)]
pub struct Step {
    #[serde(rename = "step")]
    number: u32,
    task: String,
    status: String,
    flow: String,
    subflow: String,
    started: Option<String>,
    ended: Option<String>,
    rerun: bool,
    bytes: u64,
}

/// What of a step fits into a line.
#[derive(Serialize)]
struct StepLine {
    #[serde(rename = "step")]
    number: u32,
    task: String,
    status: String,
    flow: String,
    subflow: String,
    started: Option<String>,
    took: Option<String>,
    bytes: u64,
}

impl Instance {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The status it was reported with.
    pub fn status(&self) -> &str {
        &self.status
    }
}

fn set(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<proto::Instance> for Instance {
    fn from(instance: proto::Instance) -> Self {
        Self {
            id: instance.instance_id,
            user: instance.user,
            app: instance.app,
            version: instance.app_version,
            flow: instance.flow_name,
            host: instance.host,
            status: instance.status,
            started: time(instance.start_time.as_ref()),
            ended: time(instance.end_time.as_ref()),
            milliseconds: instance.execution_time.as_ref().map(milliseconds),
            rerun_of: set(instance.original_instance_id),
            reruns: instance.rerun_count,
            parent: set(instance.parent_instance_id),
            parent_flow: set(instance.parent_flow_name),
        }
    }
}

impl From<proto::Instance> for Line {
    fn from(instance: proto::Instance) -> Self {
        Self {
            id: instance.instance_id,
            app: instance.app,
            flow: instance.flow_name,
            status: instance.status,
            started: short_time(instance.start_time.as_ref()),
            took: instance.execution_time.as_ref().map(span),
            host: instance.host,
        }
    }
}

impl From<proto::Step> for Step {
    fn from(step: proto::Step) -> Self {
        Self {
            number: step.step_id,
            task: step.task_name,
            status: step.status,
            flow: step.flow_name,
            subflow: step.subflow_id,
            started: time(step.start_time.as_ref()),
            ended: time(step.end_time.as_ref()),
            rerun: step.rerun,
            bytes: step.bytes,
        }
    }
}

impl From<proto::Step> for StepLine {
    fn from(step: proto::Step) -> Self {
        let took = took(step.start_time.as_ref(), step.end_time.as_ref());
        Self {
            number: step.step_id,
            task: step.task_name,
            status: step.status,
            flow: step.flow_name,
            subflow: step.subflow_id,
            started: short_time(step.start_time.as_ref()),
            took,
            bytes: step.bytes,
        }
    }
}

fn took(
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> Option<String> {
    let (start, end) = start.zip(end)?;
    let mut took = prost_types::Duration {
        seconds: end.seconds.checked_sub(start.seconds)?,
        nanos: end.nanos - start.nanos,
    };
    took.normalize();
    Some(span(&took))
}

/// Prints instances.
///
/// # Errors
/// When standard output cannot be written.
pub fn instances(output: Output, instances: Vec<proto::Instance>) -> anyhow::Result<()> {
    match output {
        Output::Table => print::<_, Line>(output, instances),
        Output::Json => print::<_, Instance>(output, instances),
    }
}

/// Prints steps.
///
/// # Errors
/// When standard output cannot be written.
pub fn steps(output: Output, steps: Vec<proto::Step>) -> anyhow::Result<()> {
    match output {
        Output::Table => print::<_, StepLine>(output, steps),
        Output::Json => print::<_, Step>(output, steps),
    }
}

fn print<T, R: From<T> + Serialize>(output: Output, rows: Vec<T>) -> anyhow::Result<()> {
    let rows: Vec<R> = rows.into_iter().map(R::from).collect();
    output::rows(output, &rows)
}
