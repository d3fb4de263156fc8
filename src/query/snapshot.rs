//! The state of an instance after a step, from what its steps changed (contract, section 1.9).
//!
//! Pure but for [`History::snapshot`], which reads the steps. Steps are replayed forward by id. What
//! a step says is all that is known: where the first steps are missing, because an instance was
//! restarted at a step or its history was off at first, the state is what the stored ones changed, and
//! [`Snapshot::gap`] says so. A status that no step named is 0.
//!
//! An engine can go on from the JSON form: its decoder takes keys in any case, links by `linkId` and
//! subflows by `subFlowId`, which stand beside the `id` that other readers look for. Tasks and links
//! that are done are not in it, as the engine's own snapshots are without them.

mod flow;
mod json;
mod queue;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{TryStreamExt, pin_mut};

use super::{Attempt, Error, History};
use crate::event::flogo::{Content, FlowChange, Invalid};

pub use flow::{Flow, Subflow};
pub use queue::Item;

/// The state of an instance.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    id: String,
    main: Flow,
    subflows: BTreeMap<i64, Subflow>,
    queue: BTreeMap<i64, Item>,
    /// Subflows that are over: what is said of them later is not a new subflow.
    over: BTreeSet<i64>,
    /// The subflow that ended last, until the task that called it is queued.
    returned: Option<Subflow>,
    steps: u32,
    last: Option<u32>,
    gap: Option<(u32, u32)>,
}

impl Snapshot {
    /// An instance before its first step.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::default()
        }
    }

    /// The main flow.
    pub fn main(&self) -> &Flow {
        &self.main
    }

    /// Names the main flow where no step did.
    pub(super) fn name_flow(&mut self, uri: &str) {
        if self.main.uri.is_empty() {
            uri.clone_into(&mut self.main.uri);
        }
    }

    /// Subflows that have begun and not ended, by number.
    pub fn subflows(&self) -> &BTreeMap<i64, Subflow> {
        &self.subflows
    }

    /// Work that is queued, by number. The engine takes the highest number first.
    pub fn queue(&self) -> &BTreeMap<i64, Item> {
        &self.queue
    }

    /// Steps that were applied.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// The last of them.
    pub fn last_step(&self) -> Option<u32> {
        self.last
    }

    /// The first steps that are missing before the last one, both ends included.
    pub fn gap(&self) -> Option<(u32, u32)> {
        self.gap
    }

    /// Applies the next step by id.
    ///
    /// # Errors
    /// [`Invalid`] when the name of an attribute is no text; the snapshot is then good for nothing.
    pub fn apply(&mut self, content: &Content<'_>) -> Result<(), Invalid> {
        self.count(u32::try_from(content.step_id).unwrap_or_default());
        for (&number, change) in &content.changes {
            self.change(number, change, content)?;
        }
        self.requeue(content);
        Ok(())
    }

    fn count(&mut self, step: u32) {
        let next = self.last.map_or(0, |last| last.saturating_add(1));
        if step > next && self.gap.is_none() {
            self.gap = Some((next, step - 1));
        }
        self.steps += 1;
        self.last = Some(step);
    }

    fn change(
        &mut self,
        number: i64,
        change: &FlowChange<'_>,
        content: &Content<'_>,
    ) -> Result<(), Invalid> {
        if number == 0 {
            if change.new_flow {
                self.begin();
            }
            return self.main.apply(change);
        }
        if change.new_flow || !(self.over.contains(&number) || self.subflows.contains_key(&number))
        {
            let subflow = Subflow::called(number, change, content)?;
            self.over.remove(&number);
            self.subflows.insert(number, subflow);
        }
        let Some(subflow) = self.subflows.get_mut(&number) else {
            return Ok(());
        };
        subflow.flow.apply(change)?;
        if subflow.flow.status >= FlowChange::ENDED {
            self.returned = self.subflows.remove(&number);
            self.over.insert(number);
        }
        Ok(())
    }

    /// The main flow begins, and everything with it.
    fn begin(&mut self) {
        self.main = Flow::default();
        self.subflows.clear();
        self.queue.clear();
        self.over.clear();
        self.returned = None;
    }
}

impl History {
    /// The state of an attempt after step `through`, or after the last one. When
    /// [`Snapshot::last_step`] is lower than `through`, there is no such step.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no step up to there is stored, [`Error::Unreadable`] when one is not a
    /// Flogo engine's, [`Error::Pending`], or when the database does not answer.
    pub async fn snapshot(
        &self,
        id: &str,
        attempt: Attempt,
        through: Option<u32>,
    ) -> Result<Snapshot, Error> {
        self.complete()?;
        let mut snapshot = Snapshot::new(id);
        let steps = self.contents(id, attempt, None, through);
        pin_mut!(steps);
        while let Some(step) = steps.try_next().await? {
            step.flogo(|content| snapshot.apply(content))?;
        }
        if snapshot.steps == 0 {
            let which = through.map_or_else(String::new, |step| format!(" up to step {step}"));
            let sentence = format!("no step{which} of instance {id} is stored");
            return Err(Error::NotFound(sentence));
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
