//! Rows of steps as a person counts them: the call of a subflow is two rows, and once it has ended it
//! is shown once, where it began (contract, section 1.5, routes 7, 8 and 11).
//!
//! Pure, over rows without content. A step that changes no flow is left out: the engine makes one
//! for every subflow that fails, and it is about no task.

use std::ops::ControlFlow;

use serde::Serialize;

use super::Step;

/// Status of a task that waits for its subflow.
pub(super) const WAITING: &str = "Waiting";

/// Whether a row is of a step that changes no flow. Its flow name and status are empty; that of a
/// change has a flow's name, or at least a status.
pub fn changes_no_flow(step: &Step) -> bool {
    step.flow.is_empty() && step.status.is_empty()
}

/// A row, or the two of a call; every value is text in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepStatus {
    /// Short name of the flow.
    #[serde(rename = "flowname")]
    pub flow: String,
    /// `true`, `false`, or empty when not known.
    pub rerun: &'static str,
    /// When it began: RFC 3339, empty when not known.
    #[serde(rename = "starttime")]
    pub started_at: String,
    /// The status it came to.
    pub status: String,
    /// The step.
    #[serde(rename = "stepId")]
    pub step_id: String,
    /// The flow it is in.
    #[serde(rename = "subflowid")]
    pub subflow: String,
    /// The task.
    #[serde(rename = "taskName")]
    pub task: String,
}

impl StepStatus {
    fn of(step: &Step) -> Self {
        Self {
            flow: step.flow.clone(),
            rerun: match step.rerun {
                None => "",
                Some(true) => "true",
                Some(false) => "false",
            },
            started_at: step.started_at.map(|at| at.to_string()).unwrap_or_default(),
            status: step.status.clone(),
            step_id: step.id.to_string(),
            subflow: step.subflow.clone(),
            task: step.task.clone(),
        }
    }
}

/// Rows put together, those of a call as one.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    rows: Vec<StepStatus>,
    /// Which of them wait, the earliest first.
    waiting: Vec<usize>,
}

impl Merged {
    /// Adds the next row by step id. Step 0, which creates the instance, is no task's.
    pub fn push(&mut self, step: &Step) {
        if step.id == 0 || changes_no_flow(step) {
            return;
        }
        let is = |word| step.status.eq_ignore_ascii_case(word);
        if is("completed") || is("failed") {
            let called = |&at: &usize| {
                let row = &self.rows[at];
                row.task == step.task && row.subflow == step.subflow
            };
            if let Some(found) = self.waiting.iter().position(called) {
                let row = &mut self.rows[self.waiting.remove(found)];
                row.status.clone_from(&step.status);
                return;
            }
        }
        if is(WAITING) {
            self.waiting.push(self.rows.len());
        }
        self.rows.push(StepStatus::of(step));
    }

    /// The rows so far.
    pub fn rows(&self) -> &[StepStatus] {
        &self.rows
    }

    /// The last one that failed.
    pub fn failed(&self) -> Option<&StepStatus> {
        self.rows.iter().rfind(|row| row.status == "Failed")
    }
}

/// Looks for the step that ended a call: the next one after it of the same task in the same flow.
#[derive(Clone, Copy, Debug)]
pub struct End<'a>(&'a Step);

impl<'a> End<'a> {
    /// For the row of a step that called.
    pub fn of(call: &'a Step) -> Self {
        Self(call)
    }

    /// Takes the next row after the call by step id. Breaks with the row's step id when it is the end,
    /// and with none when the task was called again, so that the end is not stored.
    pub fn look(self, step: &Step) -> ControlFlow<Option<u32>> {
        let same = step.task == self.0.task && step.subflow == self.0.subflow;
        if !same || changes_no_flow(step) || step.id <= self.0.id {
            ControlFlow::Continue(())
        } else if step.status == WAITING {
            ControlFlow::Break(None)
        } else {
            ControlFlow::Break(Some(step.id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: u32, task: &str, status: &str, flow: &str, subflow: &str) -> Step {
        Step {
            id,
            task: task.to_owned(),
            status: status.to_owned(),
            flow: flow.to_owned(),
            subflow: subflow.to_owned(),
            ..Step::default()
        }
    }

    /// A loop of two calls of which the second fails, then a call that is still waiting.
    fn rows() -> Vec<Step> {
        vec![
            step(0, "note", "Started", "main", "0"),
            step(1, "call", "Waiting", "main", "0"),
            step(2, "call", "Completed", "sub", "1"),
            step(3, "call", "Completed", "main", "0"),
            step(4, "call", "Waiting", "main", "0"),
            step(5, "boom", "Failed", "sub", "2"),
            step(6, "call", "", "", "0"),
            step(7, "call", "Failed", "main", "0"),
            step(8, "again", "Waiting", "main", "0"),
            step(9, "inner", "", "sub", "3"),
        ]
    }

    #[test]
    fn a_call_is_shown_once_where_it_began_with_how_it_ended() {
        let mut merged = Merged::default();
        for row in rows() {
            merged.push(&row);
        }
        let shown: Vec<_> = merged
            .rows()
            .iter()
            .map(|row| (&*row.step_id, &*row.task, &*row.status))
            .collect();
        assert_eq!(
            shown,
            [
                ("1", "call", "Completed"),
                ("2", "call", "Completed"),
                ("4", "call", "Failed"),
                ("5", "boom", "Failed"),
                ("8", "again", "Waiting"),
                ("9", "inner", ""),
            ]
        );
        assert_eq!(merged.failed().map(|row| &*row.step_id), Some("5"));
        let json = serde_json::to_string(&merged.rows()[4]).expect("JSON");
        assert_eq!(
            json,
            r#"{"flowname":"main","rerun":"","starttime":"","status":"Waiting","stepId":"8","subflowid":"0","taskName":"again"}"#
        );
    }

    #[test]
    fn the_end_of_a_call_is_the_next_row_of_its_task_that_changes_its_flow() {
        let rows = rows();
        let end = |call: usize| {
            let end = End::of(&rows[call]);
            match rows.iter().try_for_each(|row| end.look(row)) {
                ControlFlow::Break(end) => end,
                ControlFlow::Continue(()) => None,
            }
        };
        assert_eq!([end(1), end(4), end(8)], [Some(3), Some(7), None]);
        let again = [rows[1].clone(), step(5, "call", "Waiting", "main", "0")];
        let end = End::of(&again[0]);
        assert_eq!(end.look(&again[0]), ControlFlow::Continue(()));
        assert_eq!(end.look(&again[1]), ControlFlow::Break(None));
    }
}
