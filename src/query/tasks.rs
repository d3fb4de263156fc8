//! What a step did to tasks (contract, section 2.7), and what became of a call.
//!
//! Pure. Where the engines' own service takes whichever task or link its map gives first, the order
//! here is fixed: the change's own task before others, then by id; links by number.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{Error, StepContent, calls};
use crate::event::flogo::{Changed, Content, FlowChange, Invalid, LinkChange};

/// What a step did to a task. Its JSON form is that of the engines' own service, misspelled names
/// included; `input`, `output` and `links` are left out where there is nothing in them.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// The task; empty for the flow that a call begins.
    pub id: String,
    /// The step.
    #[serde(rename = "stepId")]
    pub step_id: i32,
    /// Of the flow it is in, 0 for the main flow.
    #[serde(rename = "subflowId")]
    pub subflow_id: i64,
    /// A JSON object as it was sent: what the task was given, else what its flow returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// A JSON object: the attributes that the step set, those of an activity under their own names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
    /// Links that leave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// `Started`, `Waiting`, `Completed`, `Failed` or empty.
    pub status: &'static str,
    /// Of its flow; `Created` when the step did not change it.
    pub flow_status: &'static str,
    /// The first task of its flow.
    #[serde(rename = "startTask")]
    pub start_task: bool,
    /// The other side of a call.
    #[serde(rename = "newSubflow")]
    pub new_subflow: bool,
    /// URI of its flow.
    #[serde(rename = "flowname")]
    pub flow_uri: String,
}

/// A link that leaves a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The task it leaves.
    pub from: String,
    /// The task it leads to.
    pub to: String,
    /// Status of that one; empty when the step did not change it.
    #[serde(rename = "toTaskStutus")]
    pub to_status: &'static str,
    /// Status of the task it leaves.
    #[serde(rename = "fromTaskStutus")]
    pub from_status: &'static str,
    /// Whether it was followed.
    pub status: LinkStatus,
}

/// Whether a link was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// 1.
    False,
    /// 2.
    True,
    /// 3.
    Skipped,
    /// Any other number.
    Unknown,
}

impl LinkStatus {
    fn of(status: i64) -> Self {
        match status {
            1 => Self::False,
            2 => Self::True,
            3 => Self::Skipped,
            _ => Self::Unknown,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// As the engines' own service spells it: clients compare.
impl Serialize for LinkStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::True => "ture",
            Self::Unknown => "unknow",
            other => other.word(),
        })
    }
}

/// The tasks of a step, at most two: a call shows both its sides, the calling task first; of other
/// changes of two flows the subflow's comes first. None for a step that changes no flow.
///
/// # Errors
/// [`Invalid`] when the name of an attribute is no text.
pub fn tasks(content: &Content<'_>) -> Result<Vec<Task>, Invalid> {
    let Some((first, second)) = content.changed() else {
        return Ok(Vec::new());
    };
    let mut tasks = vec![Task::of(content.step_id, first)?];
    if let Some(second) = second {
        let mut task = Task::of(content.step_id, second)?;
        // `changed` has the subflow second only when it begins
        if second.0 > first.0 {
            task.new_subflow = true;
            task.id.clear();
        }
        tasks.push(task);
    }
    Ok(tasks)
}

/// Whether these are the two sides of a call, of which the end is shown instead once there is one.
pub fn is_call(tasks: &[Task]) -> bool {
    tasks.len() == 2 && tasks[0].status == calls::WAITING
}

/// The tasks of a call: those of the step that ended it, under the number of the step that called;
/// its own while there is none. [`calls::End`] finds that step.
pub fn of_call(call: Vec<Task>, end: Option<Vec<Task>>) -> Vec<Task> {
    match (call.first(), end) {
        (Some(first), Some(mut end)) if !end.is_empty() => {
            end[0].step_id = first.step_id;
            end
        }
        _ => call,
    }
}

impl StepContent {
    /// Reads the content as what a Flogo engine posts.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when it is something else, which engines of other kinds may send.
    pub fn flogo<T>(
        &self,
        read: impl FnOnce(&Content<'_>) -> Result<T, Invalid>,
    ) -> Result<T, Error> {
        let step = self.step.id;
        if self.content.is_empty() {
            return Err(Error::Unreadable(format!(
                "step {step} was stored without data"
            )));
        }
        let text = String::from_utf8_lossy(&self.content);
        Content::parse(&text)
            .and_then(|content| read(&content))
            .map_err(|invalid| {
                Error::Unreadable(format!(
                    "the data of step {step} is not a Flogo engine's step: {invalid}"
                ))
            })
    }

    /// Its tasks, see [`tasks`].
    ///
    /// # Errors
    /// As [`StepContent::flogo`].
    pub fn tasks(&self) -> Result<Vec<Task>, Error> {
        self.flogo(tasks)
    }
}

impl Task {
    fn of(step_id: i32, (subflow_id, change): Changed<'_, '_>) -> Result<Self, Invalid> {
        let counted = change.counted();
        let given = counted.and_then(|(_, task, _)| task.input.filled());
        let returned = change.return_data.filled().filter(|_| !change.new_flow);
        let (id, status) = match counted {
            Some((id, _, word)) => (id, word),
            None if change.new_flow => (&change.task_id, "Started"),
            None => (&change.task_id, ""),
        };
        Ok(Self {
            id: id.to_string(),
            step_id,
            subflow_id,
            input: given.or(returned).map(ToOwned::to_owned),
            output: output(change)?,
            links: links(change, id),
            status,
            flow_status: flow_word(change.status),
            start_task: change.new_flow,
            new_subflow: false,
            flow_uri: change.flow_uri.clone().into_owned(),
        })
    }
}

fn output(change: &FlowChange<'_>) -> Result<Option<Box<RawValue>>, Invalid> {
    let attrs = change.attrs.entries()?;
    if attrs.is_empty() {
        return Ok(None);
    }
    let output: BTreeMap<_, _> = attrs
        .iter()
        .map(|(name, value)| (own_name(name), value))
        .collect();
    // texts and JSON that was read are JSON again
    Ok(to_raw_value(&output).ok())
}

/// `_A.price.total` is `total` of the activity `price`.
fn own_name(attribute: &str) -> &str {
    let Some(rest) = attribute.strip_prefix("_A.") else {
        return attribute;
    };
    match rest.split_once('.') {
        Some((activity, name)) if !activity.is_empty() => name,
        _ => rest,
    }
}

fn links(change: &FlowChange<'_>, id: &str) -> Vec<Link> {
    let status_of = |task: &str| {
        let task = change.tasks.get(task);
        task.map_or("", |task| task_word(task.status))
    };
    let shown = |link: &&LinkChange<'_>| {
        let named = !link.from.is_empty() && !link.to.is_empty();
        link.from == id && (link.status != 0 || named)
    };
    if change.new_flow {
        return Vec::new();
    }
    let links = change.links.values().filter(shown).map(|link| Link {
        from: link.from.clone().into_owned(),
        to: link.to.clone().into_owned(),
        to_status: status_of(&link.to),
        from_status: status_of(&link.from),
        status: LinkStatus::of(link.status),
    });
    links.collect()
}

/// Contract, section 2.6; what that service does not know is `Created`, 110 (cancelled) included.
fn task_word(status: i64) -> &'static str {
    match status {
        10 => "Scheduled",
        20 => "Started",
        30 => "Waiting",
        40 => "Completed",
        50 => "Skipped",
        100 => "Failed",
        _ => "Created",
    }
}

fn flow_word(status: i64) -> &'static str {
    match status {
        100 => "Started",
        500 => "Completed",
        600 => "Cancelled",
        700 => "Failed",
        _ => "Created",
    }
}

#[cfg(test)]
mod tests;
