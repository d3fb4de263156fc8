//! What a rerun would do, shown before it is done.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Values;
use crate::{
    cli::{
        output::{self, Output},
        pretty::pretty,
        rows,
    },
    proto::PlanRerunResponse,
};

/// Inputs up to this size are shown in a table's place.
const SHOWN: usize = 16 << 10;

/// The server's plan, in the words of `--output json`.
#[derive(Serialize)]
pub(super) struct Plan {
    instance: rows::Instance,
    flow_uri: String,
    from_step: Option<u32>,
    /// The task that would run first; null for the whole flow.
    task: Option<String>,
    /// Recorded inputs of the flow or of the task; null when not known or too large.
    input: Option<Box<RawValue>>,
    input_bytes: u64,
    /// What `--input` puts in their place, or among the attributes.
    changed: Vec<String>,
    state_bytes: u64,
    replaced_steps: u32,
    missing: Vec<String>,
    warnings: Vec<String>,
}

/// What of it fits into a line.
#[derive(Serialize)]
struct Line<'a> {
    instance: &'a str,
    status: &'a str,
    runs: String,
    task: Option<&'a str>,
    state_bytes: u64,
}

impl Plan {
    /// The plan for what stands behind `--from-step`; the values of `changed` are named.
    pub(super) fn new(
        planned: &PlanRerunResponse,
        from_step: Option<u32>,
        changed: Option<&Values>,
    ) -> Self {
        let input = match &planned.input[..] {
            b"" => None,
            input => serde_json::from_slice(input).ok(),
        };
        Self {
            instance: planned.instance.clone().unwrap_or_default().into(),
            flow_uri: planned.flow_uri.clone(),
            from_step,
            task: planned.task_name.clone(),
            input,
            input_bytes: planned.input_bytes,
            changed: changed
                .into_iter()
                .flat_map(|values| values.keys().cloned())
                .collect(),
            state_bytes: planned.state_bytes,
            replaced_steps: planned.replaced_steps,
            missing: planned.missing.clone(),
            warnings: planned.warnings.clone(),
        }
    }

    /// For people.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let runs = match self.from_step {
            None => format!("{} from its beginning", self.flow_uri),
            Some(step) => format!("{} from step {step} on", self.flow_uri),
        };
        let line = Line {
            instance: self.instance.id(),
            status: self.instance.status(),
            runs,
            task: self.task.as_deref(),
            state_bytes: self.state_bytes,
        };
        output::rows(Output::Table, &[line])?;
        let of = if self.from_step.is_none() {
            "Input"
        } else {
            "Input of the task"
        };
        match &self.input {
            Some(input) if input.get().len() <= SHOWN => {
                output::text(&format!("\n{of}, as it was recorded:"))?;
                output::bytes(&pretty(input.get().as_bytes()))?;
            }
            _ if self.input_bytes > 0 => {
                output::text(&format!("\n{of}: {} bytes", self.input_bytes))?;
            }
            _ => {}
        }
        if !self.changed.is_empty() {
            output::text(&format!("\nFrom --input: {}", self.changed.join(", ")))?;
        }
        for (name, sentences) in [("Missing", &self.missing), ("To know", &self.warnings)] {
            for sentence in sentences {
                output::text(&format!("\n{name}: {sentence}"))?;
            }
        }
        Ok(())
    }
}
