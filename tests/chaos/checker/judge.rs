//! One family: which of its events the tables show, whether those are all that were acknowledged,
//! and whether the rows are what exactly these events make.

use std::fmt::Debug;

use super::{
    super::load::{End, Family, Instance, Source, Standing, What},
    Finding, Wrong,
    expected::{self, Rows},
    row::Flow,
};

/// A family and what its client knows of each event, by instance and event.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) family: std::sync::Arc<Family>,
    pub(super) standings: Vec<Vec<Standing>>,
    pub(super) source: Source,
}

impl Case {
    /// What is wrong with the rows `found`, one for each instance.
    pub(super) fn judge(&self, found: &[Rows]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let instances = || self.family.instances.iter().zip(found);
        let shown: Vec<Vec<bool>> = instances()
            .map(|(instance, rows)| {
                instance
                    .events
                    .iter()
                    .map(|what| shows(rows, instance, what))
                    .collect()
            })
            .collect();
        let original = &self.family.instances[0].id;
        let names_it = |(instance, shown): &(&Instance, &Vec<bool>)| {
            let mut events = instance.events.iter().zip(*shown);
            events.any(|(what, shown)| *shown && matches!(what, What::Start(start) if start.original.as_ref() == Some(original)))
        };
        let reruns = self
            .family
            .instances
            .iter()
            .zip(&shown)
            .filter(names_it)
            .count();
        let reruns = i32::try_from(reruns).expect("few");
        for (at, (instance, rows)) in instances().enumerate() {
            let mut stored = Vec::new();
            for ((what, shown), standing) in instance
                .events
                .iter()
                .zip(&shown[at])
                .zip(&self.standings[at])
            {
                match (shown, standing) {
                    (false, Standing::Kept) => findings.push(lost(rows, instance, what)),
                    (true, Standing::Absent) if !outranked(rows, instance, what) => {
                        let text =
                            format!("{} is stored, but was never to be", name(instance, what));
                        findings.push(Finding {
                            wrong: Wrong::Altered,
                            text,
                        });
                    }
                    _ => {}
                }
                if *shown {
                    stored.push(what);
                }
            }
            let reruns = if at == 0 { reruns } else { 0 };
            let expected = expected::rows(&instance.id, &self.source, &stored, reruns);
            compare("flowstate", &expected.flows, &rows.flows, &mut findings);
            compare(
                "past_flowstate",
                &expected.past_flows,
                &rows.past_flows,
                &mut findings,
            );
            compare("steps", &expected.steps, &rows.steps, &mut findings);
            compare(
                "past_steps",
                &expected.past_steps,
                &rows.past_steps,
                &mut findings,
            );
        }
        findings
    }
}

/// Rows of flows and of attempts before them.
fn flows(rows: &Rows) -> impl Iterator<Item = &Flow> {
    rows.flows.iter().chain(&rows.past_flows)
}

/// Whether the rows show that this event is stored. An end that a greater one replaced leaves no
/// trace; it counts as stored.
fn shows(rows: &Rows, instance: &Instance, what: &What) -> bool {
    match what {
        What::Start(start) => {
            flows(rows).any(|row| row.at == Some(start.at) && row.input.is_some())
        }
        What::Step(step) => {
            let mut steps = rows.steps.iter().chain(&rows.past_steps);
            let number = step.number.to_string();
            steps.any(|row| row.at == Some(step.at) && row.number == number)
        }
        What::End(end) => {
            flows(rows).any(|row| shows_end(row, end)) || outranked(rows, instance, what)
        }
    }
}

fn shows_end(row: &Flow, end: &End) -> bool {
    let its = end.at.is_none() || row.at == end.at;
    its && row.ended_at == Some(end.ended_at) && row.status.as_deref() == Some(end.status)
}

/// Whether a greater end of the same attempt shows. An end that names its attempt leaves a row of it
/// all the same.
fn outranked(rows: &Rows, instance: &Instance, what: &What) -> bool {
    let What::End(end) = what else { return false };
    if end.at.is_some() && !flows(rows).any(|row| row.at == end.at) {
        return false;
    }
    let mut others = instance.events.iter().filter_map(|what| match what {
        What::End(other) => Some(other),
        _ => None,
    });
    others.any(|other| {
        let same = other.at == end.at || other.at.is_none() || end.at.is_none();
        same && expected::rank(other) > expected::rank(end)
            && flows(rows).any(|row| shows_end(row, other))
    })
}

/// An acknowledged event that no row shows.
fn lost(rows: &Rows, instance: &Instance, what: &What) -> Finding {
    let event = name(instance, what);
    match what {
        What::End(end) if expected::terminal(end) && !rows.flows.is_empty() => Finding {
            wrong: Wrong::Stuck,
            text: format!("{event} was acknowledged, but the instance is open"),
        },
        _ => Finding {
            wrong: Wrong::Lost,
            text: format!("{event} was acknowledged and is not stored"),
        },
    }
}

fn name(instance: &Instance, what: &What) -> String {
    let id = &instance.id;
    match what {
        What::Start(start) => format!("{id}: start at {}", start.at),
        What::Step(step) => format!("{id}: step {} at {}", step.number, step.at),
        What::End(end) => format!("{id}: {} at {}", end.status, end.ended_at),
    }
}

/// Both sorted.
fn compare<T: Ord + Debug>(table: &str, expected: &[T], found: &[T], findings: &mut Vec<Finding>) {
    let missing: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
    let strange: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
    for at in 0..missing.len().max(strange.len()) {
        let (wrong, text) = match (missing.get(at), strange.get(at)) {
            (Some(expected), Some(found)) => (Wrong::Altered, difference(expected, found)),
            (Some(expected), None) => (Wrong::Lost, format!("no row {}", short(expected))),
            (None, Some(found)) => (Wrong::Duplicated, format!("one row more: {}", short(found))),
            (None, None) => continue,
        };
        findings.push(Finding {
            wrong,
            text: format!("{table}: {text}"),
        });
    }
}

/// The first place where the two differ, in their words.
fn difference<T: Debug>(expected: &T, found: &T) -> String {
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    let same = expected
        .bytes()
        .zip(found.bytes())
        .take_while(|(a, b)| a == b);
    let from = same.count().saturating_sub(40);
    let part = |text: &str| {
        text.bytes()
            .skip(from)
            .take(160)
            .map(char::from)
            .collect::<String>()
    };
    let head: String = found.chars().take(120).collect();
    format!(
        "{head} ...: expected ...{} but found ...{}",
        part(&expected),
        part(&found)
    )
}

fn short<T: Debug>(row: &T) -> String {
    format!("{row:?}").chars().take(300).collect()
}
