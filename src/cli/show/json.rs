//! What `instances show --output json` prints.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    cli::{history, rows},
    proto::{self, GetLineageResponse, Missing},
};

/// All that is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) instance: rows::Instance,
    pub(super) attempt: u32,
    pub(super) steps: u32,
    pub(super) missing: Gaps,
    pub(super) attempts: Vec<Attempt>,
    pub(super) lineage: Lineage,
    /// JSON as it was recorded, anything else as a text; null when it is not there or too large.
    pub(super) input: Option<Box<RawValue>>,
    pub(super) input_bytes: Option<u64>,
    pub(super) output: Option<Box<RawValue>>,
    pub(super) output_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Gaps {
    start: bool,
    steps: Vec<Range>,
    last_steps: bool,
}

#[derive(Serialize)]
pub(super) struct Range {
    from: u32,
    to: u32,
}

#[derive(Serialize)]
pub(super) struct Attempt {
    #[serde(rename = "attempt")]
    number: u32,
    status: String,
    started: Option<String>,
    ended: Option<String>,
    own_steps: u32,
    first_own_step: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Lineage {
    originals: Vec<rows::Instance>,
    original_missing: bool,
    reruns: Vec<rows::Instance>,
}

/// The bytes as a JSON value.
pub(super) fn raw(bytes: &[u8]) -> Option<Box<RawValue>> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let json = RawValue::from_string(text.clone());
    json.or_else(|_| serde_json::value::to_raw_value(&text))
        .ok()
}

impl From<Missing> for Gaps {
    fn from(missing: Missing) -> Self {
        let ranges = missing.steps.into_iter();
        Self {
            start: missing.start,
            steps: ranges
                .map(|range| Range {
                    from: range.from,
                    to: range.to,
                })
                .collect(),
            last_steps: missing.last_steps,
        }
    }
}

impl From<proto::Attempt> for Attempt {
    fn from(attempt: proto::Attempt) -> Self {
        let instance = attempt.instance.unwrap_or_default();
        Self {
            number: attempt.number,
            status: instance.status,
            started: history::time(instance.start_time.as_ref()),
            ended: history::time(instance.end_time.as_ref()),
            own_steps: attempt.own_steps,
            first_own_step: attempt.first_own_step,
        }
    }
}

impl From<GetLineageResponse> for Lineage {
    fn from(lineage: GetLineageResponse) -> Self {
        let rows = |instances: Vec<proto::Instance>| instances.into_iter().map(Into::into);
        Self {
            originals: rows(lineage.originals).collect(),
            original_missing: lineage.original_missing,
            reruns: rows(lineage.reruns).collect(),
        }
    }
}
