//! The body of a step, and the columns of its row (contract, section 2.7).

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;

use super::{
    Time,
    flow::readable,
    json::{Invalid, Object, Read, null},
};

/// What a row of `steps` holds besides the body itself, which is its stepdata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `flowId`.
    pub instance_id: String,
    /// `id`, 0 or above.
    pub step_id: i32,
    /// The task the step is about; empty when it is not about one.
    pub task_name: String,
    /// `Started`, `Waiting`, `Completed`, `Failed`, or empty.
    pub status: String,
    /// Short name of the flow or subflow: what follows the last colon of its URI.
    pub flow_name: String,
    /// Decimal number of the subflow, `0` for the main flow.
    pub subflow_id: String,
    /// `starttime`.
    pub start_time: Time,
    /// `endtime`.
    pub end_time: Time,
    /// `rerun`: recorded while the instance was repeated in place.
    pub rerun: bool,
}

impl Step {
    /// Reads the body of a step.
    ///
    /// # Errors
    /// [`Invalid`] with the field that Go's decoder would not take, or that is `null` where its
    /// service would crash.
    pub fn parse(body: &Bytes) -> Result<Self, Invalid> {
        let body = readable(body);
        let object = Object::body(str::from_utf8(&body).unwrap_or_default())?;
        let changes = object.numbered("flowChanges", |_, change| {
            Change::read(&change.ok_or_else(null)?)
        })?;
        let queued = object.numbered("queueChanges", |_, change| queued_task(change))?;
        let row = Row::of(changes, queued);
        Ok(Self {
            instance_id: object.text("flowId")?,
            step_id: object.count("id")?,
            task_name: row.task_name,
            status: row.status.to_owned(),
            flow_name: row.flow_name,
            subflow_id: row.subflow_id.to_string(),
            start_time: object.time("starttime")?,
            end_time: object.time("endtime")?,
            rerun: object.flag("rerun")?,
        })
    }
}

/// The columns that are derived from the changes.
#[derive(Default)]
struct Row {
    task_name: String,
    status: &'static str,
    flow_name: String,
    subflow_id: i64,
}

impl Row {
    fn of(changes: BTreeMap<i64, Change>, queued: BTreeMap<i64, String>) -> Self {
        let mut changes = changes.into_iter();
        let (lowest, second) = (changes.next(), changes.next());
        let (subflow_id, change) = match (lowest, second) {
            // The engine reports a subflow that failed unhandled by a step of its own; the outer
            // step that follows changes no flow, only the queue.
            (None, _) => return Self::queue_only(queued),
            (Some(only), None) => only,
            // The call of a subflow belongs to the task that calls, anything else to the subflow.
            (Some(parent), Some((_, child))) if child.new_flow => parent,
            (Some(_), Some(child)) => child,
        };
        let counted = change.counted;
        let status = match &counted {
            Some(task) => task.status,
            None if change.new_flow => "Started",
            None => "",
        };
        Self {
            task_name: counted.map_or(change.task_id, |task| task.id),
            status,
            flow_name: short_name(&change.flow_uri).to_owned(),
            subflow_id,
        }
    }

    fn queue_only(queued: BTreeMap<i64, String>) -> Self {
        let mut tasks = queued.into_values();
        let task_name = match (tasks.next(), tasks.next()) {
            (Some(only), None) => only,
            _ => String::new(),
        };
        Self {
            task_name,
            ..Self::default()
        }
    }
}

/// What happened to one flow or subflow.
struct Change {
    new_flow: bool,
    flow_uri: String,
    task_id: String,
    /// The task the row is about, when one has a status that counts.
    counted: Option<Task>,
}

struct Task {
    id: String,
    status: &'static str,
}

impl Change {
    fn read(object: &Object<'_>) -> Read<Self> {
        let task_id = object.text("taskId")?;
        let tasks = object.map("tasks", |_, task| task_status(&task.ok_or_else(null)?))?;
        // These leave no trace in the row; a wrong type still fails the body.
        object.integer("subflowId")?;
        object.integer("status")?;
        object.payload("attrs")?;
        object.payload("returnData")?;
        object.numbered("links", |_, link| check_link(link))?;
        Ok(Self {
            new_flow: object.flag("newFlow")?,
            flow_uri: object.text("flowURI")?,
            counted: counted(&task_id, tasks),
            task_id,
        })
    }
}

/// The task that counts. With concurrent execution there can be several, of which Go picks any:
/// here it is the change's own task, else the one with the smallest id.
fn counted(own: &str, tasks: Vec<(Cow<'_, str>, i64)>) -> Option<Task> {
    // A key that is there twice counts with its last value.
    let tasks: BTreeMap<_, _> = tasks.into_iter().collect();
    tasks
        .into_iter()
        .filter_map(|(id, status)| Some((id, counted_word(status)?)))
        .min_by_key(|(id, _)| id != own)
        .map(|(id, status)| Task {
            id: id.into_owned(),
            status,
        })
}

/// The word of a task status that counts in the row.
fn counted_word(status: i64) -> Option<&'static str> {
    match status {
        30 => Some("Waiting"),
        40 => Some("Completed"),
        100 => Some("Failed"),
        _ => None,
    }
}

fn task_status(task: &Object<'_>) -> Read<i64> {
    task.integer("change")?;
    task.payload("input")?;
    task.integer("status")
}

fn check_link(link: Option<Object<'_>>) -> Read<()> {
    let link = link.unwrap_or_default();
    link.integer("change")?;
    link.integer("status")?;
    link.text("from")?;
    link.text("to")?;
    Ok(())
}

fn queued_task(change: Option<Object<'_>>) -> Read<String> {
    let change = change.unwrap_or_default();
    change.integer("change")?;
    change.integer("subflowId")?;
    change.text("taskId")
}

/// `res://flow:intake` is `intake`, `res://flow:a:b` is `b`.
fn short_name(uri: &str) -> &str {
    uri.rsplit_once(':').map_or(uri, |(_, name)| name)
}

#[cfg(test)]
mod tests;
