//! What the tables hold for a set of events, worked out in memory from the rules of attempts, steps
//! and cuts alone.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{
    Cut, End, Source, Start, Step, Time, What, begins_anew, end_rank, start_rank, step_rank,
    whole_end_rank,
};

/// Everything that happened to one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) events: BTreeSet<What>,
    pub(super) cuts: BTreeSet<Cut>,
    /// Events that began before this are dropped.
    pub(super) deleted_at: Option<Time>,
}

/// A row of `flowstate`, or of the attempts before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) instance: String,
    pub(super) source: Source,
    pub(super) name: Option<String>,
    pub(super) at: Option<Time>,
    pub(super) ended_at: Option<Time>,
    pub(super) took: Option<String>,
    pub(super) status: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) misc: Option<String>,
    pub(super) original: Option<String>,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) reruns: Option<i32>,
}

/// What the tables show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) flows: BTreeSet<Flow>,
    pub(super) past_flows: BTreeSet<Flow>,
    pub(super) steps: BTreeSet<(String, Step)>,
    pub(super) past_steps: BTreeSet<(String, Step)>,
}

/// The parts of one attempt that won.
#[derive(Clone, Copy, Default)]
struct Attempt<'a> {
    start: Option<(&'a Source, &'a Start)>,
    end: Option<(&'a Source, &'a End)>,
}

impl<'a> Attempt<'a> {
    fn start(&mut self, source: &'a Source, start: &'a Start) {
        if self
            .start
            .is_none_or(|(s, old)| start_rank(s, old) < start_rank(source, start))
        {
            self.start = Some((source, start));
        }
    }

    fn end(&mut self, source: &'a Source, end: &'a End) {
        if self
            .end
            .is_none_or(|(s, old)| whole_end_rank(s, old) < whole_end_rank(source, end))
        {
            self.end = Some((source, end));
        }
    }

    /// Its row, `shown` being the end that shows.
    fn row(self, instance: &str, at: Option<Time>, shown: Option<&End>) -> Flow {
        let start = self.start.map(|(_, start)| start);
        let (source, flow) = match (self.start, self.end) {
            (Some((source, start)), _) => (source, &start.flow),
            (None, Some((source, end))) => (source, &end.flow),
            (None, None) => unreachable!("an attempt is known by something"),
        };
        Flow {
            instance: instance.to_owned(),
            source: source.clone(),
            name: flow.clone(),
            at,
            ended_at: shown.map_or(start.and_then(|s| s.ended_at), |end| Some(end.ended_at)),
            took: at
                .zip(shown)
                .map(|(at, end)| format!("{}.000", (end.ended_at - at) * 1000)),
            status: shown.map_or(start.and_then(|s| s.status.clone()), |end| {
                end.status.clone()
            }),
            parent: start.and_then(|s| s.parent.clone()),
            misc: start.and_then(|s| s.misc.clone()),
            original: start.and_then(|s| s.original.clone()),
            input: start.and_then(|s| s.input.clone()),
            output: shown.and_then(|end| end.output.clone()),
            reruns: None,
        }
    }
}

impl History {
    fn kept(&self) -> impl Iterator<Item = &What> {
        let deleted_at = self.deleted_at.unwrap_or(Time::MIN);
        self.events
            .iter()
            .filter(move |what| what.began() >= deleted_at)
    }

    /// The attempts by start time, and the ends that named none.
    fn attempts(&self) -> (BTreeMap<Time, Attempt<'_>>, Attempt<'_>) {
        let mut attempts: BTreeMap<Time, Attempt<'_>> = BTreeMap::new();
        let mut nameless = Attempt::default();
        for what in self.kept() {
            match what {
                What::Start(source, start) => {
                    attempts.entry(start.at).or_default().start(source, start);
                }
                What::End(source, end) => match end.at {
                    Some(at) => attempts.entry(at).or_default().end(source, end),
                    None => nameless.end(source, end),
                },
                What::Step(_) => {}
            }
        }
        (attempts, nameless)
    }

    /// The start time of the newest attempt.
    pub(super) fn newest(&self) -> Option<Time> {
        self.attempts().0.keys().next_back().copied()
    }

    /// The originals its starts name, whichever of them show.
    fn originals(&self) -> BTreeSet<&str> {
        self.kept()
            .filter_map(|what| match what {
                What::Start(_, start) => start.original.as_deref().filter(|id| !id.is_empty()),
                _ => None,
            })
            .collect()
    }

    /// Before when a step of this number must have begun to be cut.
    fn cut(&self, number: i32) -> Option<Time> {
        let (attempts, _) = self.attempts();
        let anew = attempts
            .iter()
            .skip(1)
            .rev()
            .find(|(_, attempt)| attempt.start.is_some_and(|(_, start)| begins_anew(start)))
            .map(|(at, _)| *at);
        let asked = self
            .cuts
            .iter()
            .filter(|cut| number >= cut.from)
            .map(|cut| {
                let next = cut
                    .base
                    .and_then(|base| attempts.keys().find(|at| **at > base));
                next.copied().unwrap_or(cut.asked_at)
            });
        asked.chain(anew).max()
    }

    fn show(&self, instance: &str, tables: &mut Tables) {
        let (mut attempts, nameless) = self.attempts();
        let own = |attempt: Attempt<'_>| attempt.end.map(|(_, end)| end.clone());
        let flow = if let Some((at, newest)) = attempts.pop_last() {
            let ends = [own(newest), own(nameless)];
            let shown = ends.into_iter().flatten().max_by_key(end_rank);
            Some(newest.row(instance, Some(at), shown.as_ref()))
        } else {
            let shown = own(nameless);
            shown.map(|end| nameless.row(instance, None, Some(&end)))
        };
        tables.flows.extend(flow);
        for (at, attempt) in attempts {
            let shown = own(attempt);
            let row = attempt.row(instance, Some(at), shown.as_ref());
            tables.past_flows.insert(row);
        }

        let mut versions: BTreeMap<i32, BTreeMap<Time, &Step>> = BTreeMap::new();
        for what in self.kept() {
            let What::Step(step) = what else { continue };
            let known = versions.entry(step.number).or_default();
            let best = known.entry(step.at).or_insert(step);
            if step_rank(best) < step_rank(step) {
                *best = step;
            }
        }
        for (number, mut versions) in versions {
            let newest = versions.last_entry().expect("made with its first");
            if self.cut(number).is_none_or(|cut| *newest.key() >= cut) {
                let step = newest.remove().clone();
                tables.steps.insert((instance.to_owned(), step));
            }
            let past = versions.into_values().cloned();
            tables
                .past_steps
                .extend(past.map(|step| (instance.to_owned(), step)));
        }
    }
}

/// The tables for these histories.
pub(super) fn tables(world: &BTreeMap<String, History>) -> Tables {
    let mut tables = Tables::default();
    for (instance, history) in world {
        history.show(instance, &mut tables);
    }
    tables.flows = std::mem::take(&mut tables.flows)
        .into_iter()
        .map(|mut flow| {
            let named = |history: &&History| history.originals().contains(flow.instance.as_str());
            let reruns = world.values().filter(named).count();
            flow.reruns = Some(i32::try_from(reruns).expect("few"));
            flow
        })
        .collect();
    tables
}
