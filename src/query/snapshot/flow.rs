//! The state of one flow, and where a subflow was called.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::event::flogo::{Change, Content, FlowChange, Invalid};

/// Statuses of tasks (contract, section 2.6).
pub(super) const READY: i64 = 20;
pub(super) const WAITING: i64 = 30;
const FAILED: i64 = 100;

/// The state of a flow or subflow.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    pub(super) uri: String,
    pub(super) status: i64,
    pub(super) attrs: BTreeMap<String, Box<RawValue>>,
    pub(super) tasks: BTreeMap<String, i64>,
    pub(super) links: BTreeMap<i64, i64>,
}

/// A subflow and what called it.
#[derive(Clone, Debug, Default)]
pub struct Subflow {
    pub(super) flow: Flow,
    pub(super) parent: i64,
    pub(super) task: String,
    pub(super) called_at: u32,
}

impl Flow {
    /// `flowURI`, such as `res://flow:order`; empty when no step named it.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Status; 0 when no step named it.
    pub fn status(&self) -> i64 {
        self.status
    }

    /// Attributes by name, each as it was sent.
    pub fn attrs(&self) -> &BTreeMap<String, Box<RawValue>> {
        &self.attrs
    }

    /// Tasks that are not done, with their status.
    pub fn tasks(&self) -> &BTreeMap<String, i64> {
        &self.tasks
    }

    /// Links that are not done with, with their status.
    pub fn links(&self) -> &BTreeMap<i64, i64> {
        &self.links
    }

    pub(super) fn apply(&mut self, change: &FlowChange<'_>) -> Result<(), Invalid> {
        // a flow of which the beginning is missing says its URI with its tasks
        if change.new_flow || self.uri.is_empty() {
            self.uri = change.flow_uri.clone().into_owned();
        }
        if change.status != 0 {
            self.status = change.status;
        }
        for (name, value) in change.attrs.entries()? {
            self.attrs.insert(name.into_owned(), value.to_owned());
        }
        for (id, task) in &change.tasks {
            if task.change == Change::Delete || left_to_handler(change, task.status) {
                self.tasks.remove(&**id);
            } else {
                self.tasks.insert(id.clone().into_owned(), task.status);
            }
        }
        for (&id, link) in &change.links {
            if link.change == Change::Delete {
                self.links.remove(&id);
            } else {
                self.links.insert(id, link.status);
            }
        }
        Ok(())
    }
}

/// Whether a task of this status failed and the error handler took over in the same step: the engine
/// then forgets the task without saying so. When the flow itself fails, the task stays.
fn left_to_handler(change: &FlowChange<'_>, status: i64) -> bool {
    let entered = |status| (1..=READY).contains(&status);
    status == FAILED
        && change.status < FlowChange::ENDED
        && change
            .tasks
            .values()
            .any(|task| task.change != Change::Delete && entered(task.status))
}

impl Subflow {
    /// Its state.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Number of the flow that called it, 0 for the main flow.
    pub fn parent(&self) -> i64 {
        self.parent
    }

    /// The task that called it.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The step that called it.
    pub fn called_at(&self) -> u32 {
        self.called_at
    }

    /// The subflow `number` as the step that calls it tells. The task that called is in no field of
    /// its change: it waits in the change of the flow that called, which the context of the new
    /// flow names when the engine records attributes.
    pub(super) fn called(
        number: i64,
        change: &FlowChange<'_>,
        content: &Content<'_>,
    ) -> Result<Self, Invalid> {
        let waits = |change: &FlowChange<'_>, id: &str| {
            let task = change.tasks.get(id);
            task.is_some_and(|task| task.status == WAITING)
        };
        let caller = |change: &FlowChange<'_>| {
            let mut ids = change.tasks.keys().map(|id| &**id);
            if waits(change, &change.task_id) {
                Some(change.task_id.clone().into_owned())
            } else {
                ids.find(|id| waits(change, id)).map(ToOwned::to_owned)
            }
        };
        let others = content
            .changes
            .iter()
            .filter(|(other, _)| **other != number);
        let waiting = others
            .rev()
            .find_map(|(&id, other)| Some((id, caller(other)?)));
        let named = parent(change, &content.instance_id)?;
        let (parent, task) = match (named, waiting) {
            (Some(named), waiting) => {
                let task = content.changes.get(&named).and_then(caller);
                let waiting = waiting.map(|(_, task)| task);
                (named, task.or(waiting).unwrap_or_default())
            }
            (None, waiting) => waiting.unwrap_or_default(),
        };
        Ok(Self {
            flow: Flow::default(),
            parent,
            task,
            called_at: u32::try_from(content.step_id).unwrap_or_default(),
        })
    }
}

/// The number in `_fctx.ParentFlowId`: the id of the instance, then `-` and the number of the
/// subflow, or nothing for the main flow.
fn parent(change: &FlowChange<'_>, instance: &str) -> Result<Option<i64>, Invalid> {
    let attrs = change.attrs.entries()?;
    let parent = attrs.get("_fctx.ParentFlowId");
    let parent: Option<String> = parent.and_then(|raw| serde_json::from_str(raw.get()).ok());
    Ok(parent.and_then(|parent| {
        let number = parent.strip_prefix(instance)?;
        if number.is_empty() {
            return Some(0);
        }
        number.strip_prefix('-')?.parse().ok()
    }))
}
