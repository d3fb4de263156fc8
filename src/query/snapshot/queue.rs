//! Work that waits to be done.

use super::{Snapshot, flow::WAITING};
use crate::event::flogo::{Change, Content, QueueChange};

/// A task that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The flow it is in. Engines send 0 whatever it is; this is found out.
    pub subflow: i64,
    /// The task.
    pub task: String,
    /// The step that queued it had run it before: it iterates or is tried again.
    pub again: bool,
    /// It is queued because the subflow that it called at this step has ended.
    pub called_at: Option<u32>,
}

impl Snapshot {
    /// Applies what a step did to the queue, after what it did to flows.
    pub(super) fn requeue(&mut self, content: &Content<'_>) {
        let changes = content.queue.iter();
        let taken = changes
            .clone()
            .filter(|(_, change)| change.change == Change::Delete);
        let taken: Vec<Item> = taken
            .filter_map(|(&id, change)| self.take(id, &change.task_id))
            .collect();
        let mut queued = false;
        for (&id, change) in changes {
            if change.change == Change::Delete {
                continue;
            }
            let (subflow, called_at) = self.flow_of(change, content);
            let same = |item: &Item| item.subflow == subflow && item.task == change.task_id;
            let item = Item {
                subflow,
                task: change.task_id.clone().into_owned(),
                again: taken.iter().any(same),
                called_at,
            };
            self.queue.insert(id, item);
            queued = true;
        }
        // a subflow that fails is reported before the step that queues the task that called it
        if queued {
            self.returned = None;
        }
    }

    /// Item numbers begin again where an instance is rerun in place, so the task is looked at too.
    fn take(&mut self, id: i64, task: &str) -> Option<Item> {
        let is = |item: &Item| item.task == task;
        if !task.is_empty() && !self.queue.get(&id).is_some_and(is) {
            let mut queued = self.queue.iter();
            if let Some(other) = queued.find_map(|(&other, item)| is(item).then_some(other)) {
                return self.queue.remove(&other);
            }
        }
        self.queue.remove(&id)
    }

    /// The flow in which a queued task is: where the step made it ready, else where a subflow that
    /// just ended was called, else where it waits. With it the step of that call.
    fn flow_of(&self, change: &QueueChange<'_>, content: &Content<'_>) -> (i64, Option<u32>) {
        let task = &*change.task_id;
        if change.subflow_id != 0 {
            return (change.subflow_id, None);
        }
        let ready = content.changes.iter().rev().find(|(_, flow)| {
            let task = flow.tasks.get(task);
            task.is_some_and(|it| it.change != Change::Delete && it.status != WAITING)
        });
        if let Some((&number, _)) = ready {
            return (number, None);
        }
        if let Some(ended) = &self.returned
            && ended.task == task
        {
            return (ended.parent, Some(ended.called_at));
        }
        let mut subflows = self.subflows.iter().rev();
        let waits = subflows.find(|(_, subflow)| subflow.flow.tasks.get(task) == Some(&WAITING));
        (waits.map_or(0, |(&number, _)| number), None)
    }
}
