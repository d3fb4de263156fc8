//! The rows for a set of events of one instance, worked out from the rules of attempts, steps and
//! cuts alone. Shares nothing with the service's own merge.

use std::collections::BTreeMap;

use super::{
    super::load::{End, Source, Start, Step, Time, What},
    row::{Flow, Payload, StepRow},
};

/// What the tables hold of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) flows: Vec<Flow>,
    pub(super) past_flows: Vec<Flow>,
    pub(super) steps: Vec<StepRow>,
    pub(super) past_steps: Vec<StepRow>,
}

/// What is known of one attempt.
#[derive(Default)]
struct Attempt<'a> {
    start: Option<&'a Start>,
    end: Option<&'a End>,
}

pub(super) fn terminal(end: &End) -> bool {
    matches!(end.status, "Completed" | "Failed" | "Cancelled")
}

/// Of two ends of an attempt the greater one shows.
pub(super) fn rank(end: &End) -> (bool, Time) {
    (terminal(end), end.ended_at)
}

/// The rows of `instance` when exactly `events` are stored; `reruns` instances name it.
pub(super) fn rows(instance: &str, source: &Source, events: &[&What], reruns: i32) -> Rows {
    let mut attempts: BTreeMap<Time, Attempt<'_>> = BTreeMap::new();
    let mut nameless: Option<&End> = None;
    for what in events {
        match what {
            What::Start(start) => attempts.entry(start.at).or_default().start = Some(start),
            What::End(end) => {
                let place = match end.at {
                    Some(at) => &mut attempts.entry(at).or_default().end,
                    None => &mut nameless,
                };
                *place = greater(*place, Some(end));
            }
            What::Step(_) => {}
        }
    }
    // the newest attempt that began anew, unless there is none before it
    let cut = (attempts.iter().skip(1).rev())
        .find(|(_, attempt)| attempt.start.is_some_and(|start| start.status != "Started"))
        .map(|(at, _)| *at);

    let mut rows = Rows::default();
    let newest = attempts.pop_last();
    for (at, attempt) in &attempts {
        let row = flow(instance, source, Some(*at), attempt.start, attempt.end);
        rows.past_flows.push(row);
    }
    let newest = match newest {
        Some((at, attempt)) => {
            let end = greater(attempt.end, nameless);
            Some(flow(instance, source, Some(at), attempt.start, end))
        }
        None => nameless.map(|end| flow(instance, source, None, None, Some(end))),
    };
    rows.flows.extend(newest.map(|row| Flow {
        reruns: Some(reruns),
        ..row
    }));

    let mut versions: BTreeMap<i32, BTreeMap<Time, &Step>> = BTreeMap::new();
    for what in events {
        if let What::Step(step) = what {
            versions
                .entry(step.number)
                .or_default()
                .insert(step.at, step);
        }
    }
    for mut versions in versions.into_values() {
        let newest = versions.last_entry().expect("made with its first");
        if cut.is_none_or(|cut| *newest.key() >= cut) {
            rows.steps.push(StepRow::of(instance, newest.remove()));
        }
        let past = versions
            .into_values()
            .map(|step| StepRow::of(instance, step));
        rows.past_steps.extend(past);
    }
    rows.sort();
    rows
}

impl Rows {
    pub(super) fn sort(&mut self) {
        self.flows.sort_unstable();
        self.past_flows.sort_unstable();
        self.steps.sort_unstable();
        self.past_steps.sort_unstable();
    }
}

fn greater<'a>(one: Option<&'a End>, other: Option<&'a End>) -> Option<&'a End> {
    one.into_iter().chain(other).max_by_key(|end| rank(end))
}

fn flow(
    instance: &str,
    source: &Source,
    at: Option<Time>,
    start: Option<&Start>,
    end: Option<&End>,
) -> Flow {
    let mut row = Flow::of(instance, source);
    row.at = at;
    row.name = end.and_then(|end| end.flow.clone());
    if let Some(start) = start {
        row.name = Some(start.flow.clone());
        row.ended_at = Some(start.ended_at);
        row.status = Some(start.status.to_owned());
        row.parent = start.parent.as_ref().map(|(id, _)| id.clone());
        row.caller = start.parent.as_ref().map(|(_, flow)| flow.clone());
        row.misc = start.misc.as_ref().map(Payload::from);
        row.original.clone_from(&start.original);
        row.input = Some(Payload::from(&start.input));
    }
    if let Some(end) = end {
        row.ended_at = Some(end.ended_at);
        row.status = Some(end.status.to_owned());
        row.output = Some(Payload::from(&end.output));
        row.took = at.map(|at| milliseconds(end.ended_at - at));
    }
    row
}

/// With three decimals.
fn milliseconds(took: Time) -> String {
    format!("{}.{:03}", took / 1_000, took % 1_000)
}
