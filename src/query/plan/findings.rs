//! What stands in the way of a rerun, and what to know before it.
//!
//! An engine that goes on from a state takes the queued work that was queued last, with the task's
//! status; it crashes when that task is not among the tasks of the main flow. It does not bring
//! subflows back to life, knows neither what a subflow returned to the task that called it nor how
//! far a task had iterated, and has of the past what is in the attributes (`instance/ind_instance.go`
//! and `instance/instance_ser.go` of the engine's source).

use serde_json::value::RawValue;

use crate::{
    event::flogo::{Change, Content},
    query::Snapshot,
};

/// Status of a task that waits for the end of a subflow (contract, section 2.6).
const WAITING: i64 = 30;

/// Sentences for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Why it cannot work.
    pub(super) missing: Vec<String>,
    /// What to know.
    pub(super) warnings: Vec<String>,
}

impl Findings {
    fn missing(&mut self, sentence: impl Into<String>) {
        self.missing.push(sentence.into());
    }

    fn warn(&mut self, sentence: impl Into<String>) {
        self.warnings.push(sentence.into());
    }
}

/// Of the status of the instance.
pub(super) fn ended(status: &str) -> Findings {
    let mut found = Findings::default();
    if matches!(status, "Created" | "Started") {
        found.warn(
            "the instance has not ended: it may still be running or waiting, or its engine stopped",
        );
    }
    found
}

/// Of how many steps a rerun in place replaces.
pub(super) fn replaced(steps: u32, from: u32) -> Findings {
    let mut found = Findings::default();
    if steps > 0 {
        let which = if steps == 1 {
            "1 step"
        } else {
            &format!("{steps} steps")
        };
        found.warn(format!(
            "an engine that runs it again under its own id replaces {which} from step {from} on; this attempt stays readable"
        ));
    }
    found
}

/// Of what the whole flow is started with.
pub(super) fn whole(flow_uri: &str, input: Option<&[u8]>) -> Findings {
    let mut found = Findings::default();
    if flow_uri.is_empty() {
        found.missing("the name of the flow is not stored");
    }
    match input {
        None => found.missing("no input of the flow is stored: no start was recorded with one"),
        Some(input) => {
            let object = serde_json::from_slice::<&RawValue>(input);
            if !object.is_ok_and(|input| input.get().starts_with('{')) {
                found.missing("the input stored is not a JSON object, as an engine wants it");
            }
        }
    }
    found
}

/// Of the state before step `from`.
pub(super) fn state(before: &Snapshot, from: u32) -> Findings {
    let mut found = Findings::default();
    let main = before.main();
    if main.uri().is_empty() {
        found.missing("the name of the flow is not stored");
    }
    if let Some((first, last)) = gap(before, from) {
        let which = if first == last {
            format!("step {first} is not stored")
        } else {
            format!("steps {first} to {last} are not stored")
        };
        found.missing(format!(
            "{which}, so the state before step {from} is not known"
        ));
        return found;
    }
    let outer = before
        .subflows()
        .values()
        .filter(|subflow| subflow.parent() == 0);
    let outer = outer.min_by_key(|subflow| subflow.called_at());
    if let Some(subflow) = outer.or(before.subflows().values().next()) {
        let (task, called_at) = (subflow.task(), subflow.called_at());
        found.missing(format!(
            "step {from} lies within a subflow that task {task} called, and engines cannot go on \
             inside one; go on from step {called_at}, which calls it"
        ));
    } else if before.queue().is_empty() {
        found.missing(format!("no work is queued before step {from}"));
    }
    for item in before.queue().values() {
        if item.subflow == 0 && !main.tasks().contains_key(&item.task) {
            let task = &item.task;
            found.missing(format!(
                "task {task} is queued before step {from}, and its state is not known"
            ));
        }
    }
    let tracked = |name: &String| name.starts_with("_A.") || name.starts_with("_fctx.");
    if from > 1 && !main.attrs().keys().any(tracked) {
        found.warn(
            "the engine recorded no outputs of activities: mappings that use them will find nothing; \
             engines record them when FLOGO_FLOW_SM_ENDPOINT is set",
        );
    }
    found
}

/// The first steps that are missing before step `from`. What else is wrong with the state may come
/// from that alone.
fn gap(before: &Snapshot, from: u32) -> Option<(u32, u32)> {
    let next = before.last_step().map_or(0, |last| last + 1);
    before
        .gap()
        .or_else(|| (next < from).then(|| (next, from - 1)))
}

/// The task that a step ran: the one that it took from the queue.
pub(super) fn task<'c>(content: &'c Content<'_>) -> Option<&'c str> {
    let taken = content
        .queue
        .values()
        .find(|item| item.change == Change::Delete);
    taken.map(|item| &*item.task_id)
}

/// Of the step that would be run first. `before` is the state before it.
pub(super) fn step(before: &Snapshot, content: &Content<'_>) -> Findings {
    let mut found = Findings::default();
    let from = content.step_id;
    let Some(task) = task(content) else {
        found.missing(format!(
            "step {from} took no task from the queue: it ends what the step before began; go on from \
             an earlier one"
        ));
        return found;
    };
    // `state` has said what is wrong then
    let from_step = u32::try_from(from).unwrap_or_default();
    if gap(before, from_step).is_some() || !before.subflows().is_empty() {
        return found;
    }
    let mut queued = before.queue().values().rev();
    let Some(item) = queued.clone().find(|item| item.task == task) else {
        found.missing(format!(
            "task {task}, which step {from} ran, is not queued before it"
        ));
        return found;
    };
    if before.main().tasks().get(task) == Some(&WAITING) {
        let remedy = match item.called_at {
            Some(step) => format!("; go on from step {step}, which calls it"),
            None => String::new(),
        };
        found.missing(format!(
            "step {from} takes what a subflow returned to task {task}, which is no part of the state\
             {remedy}"
        ));
    }
    if item.again {
        found.warn(format!(
            "task {task} was iterating or being tried again before step {from}; it would begin anew"
        ));
    }
    if let Some(first) = queued.next()
        && first.task != task
    {
        let first = &first.task;
        found.warn(format!(
            "task {first} is queued too, and an engine takes it first"
        ));
    }
    found
}

#[cfg(test)]
mod tests;
