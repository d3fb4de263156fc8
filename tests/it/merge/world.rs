//! Small worlds: what engines report about a few instances, in which order, in which chunks, and
//! through which of two writers.

use std::{collections::BTreeMap, fmt};

use proptest::{prelude::*, sample::select};

use super::{
    event::{Cut, End, Source, Start, Step, Time, What},
    model::History,
};

/// Something that happens to an instance, which is a number here.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are reports")]
pub(super) enum Act {
    Report(Report),
    /// A rerun cuts the instance; everything before is stored by then.
    Cut {
        instance: usize,
        from: i32,
        asked_at: Time,
    },
}

/// An event on its way.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) instance: usize,
    pub(super) what: What,
    /// Which service takes it.
    pub(super) writer: usize,
    /// The other one takes it too.
    pub(super) twice: bool,
    /// It is the last event of its chunk.
    pub(super) closes: bool,
    /// Its chunk is marked so.
    pub(super) resent: bool,
}

/// Everything that happens in a case.
#[derive(Clone)]
pub(super) struct World {
    /// Before anything else an instance is deleted, with what began before this time.
    pub(super) deleted: Option<(usize, Time)>,
    pub(super) acts: Vec<Act>,
}

impl fmt::Debug for World {
    /// A line for each act.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deleted: {:?}", self.deleted)?;
        self.acts.iter().try_for_each(|act| write!(f, "\n{act:?}"))
    }
}

/// Who reports, the usual one first: the version rises while the host falls.
pub(super) fn sources() -> [Source; 2] {
    [("1.0.0", "desk-1"), ("1.0.1", "desk-0")].map(|(version, host)| Source {
        user: "acme".into(),
        app: "orders".into(),
        version: version.into(),
        host: host.into(),
    })
}

/// The id of an instance in a case of its own.
pub(super) fn id(case: usize, instance: usize) -> String {
    format!("case-{case}-{instance}")
}

impl World {
    /// What the model makes its tables of.
    pub(super) fn histories(&self, case: usize) -> BTreeMap<String, History> {
        let mut histories: BTreeMap<usize, History> = BTreeMap::new();
        if let Some((instance, at)) = self.deleted {
            histories.entry(instance).or_default().deleted_at = Some(at);
        }
        for act in &self.acts {
            match act {
                Act::Report(report) => {
                    let history = histories.entry(report.instance).or_default();
                    history.events.insert(report.what.clone().named(case));
                }
                Act::Cut {
                    instance,
                    from,
                    asked_at,
                } => {
                    let history = histories.entry(*instance).or_default();
                    let same = |cut: &Cut| (cut.from, cut.asked_at) == (*from, *asked_at);
                    if !history.cuts.iter().any(same) {
                        history.cuts.insert(Cut {
                            from: *from,
                            asked_at: *asked_at,
                            base: history.newest(),
                        });
                    }
                }
            }
        }
        let named = histories.into_iter();
        named.map(|(instance, h)| (id(case, instance), h)).collect()
    }
}

impl What {
    /// Its source among [`sources`]; steps have none of their own.
    pub(super) fn source(&self) -> usize {
        match self {
            Self::Start(source, _) | Self::End(source, _) => usize::from(*source != sources()[0]),
            Self::Step(_) => 0,
        }
    }

    /// With the id of its original, which a world knows by number.
    pub(super) fn named(mut self, case: usize) -> Self {
        if let Self::Start(_, start) = &mut self {
            let number = start
                .original
                .as_ref()
                .and_then(|number| number.parse().ok());
            start.original = number.map_or(start.original.clone(), |n| Some(id(case, n)));
        }
        self
    }
}

/// Mostly `usual`, sometimes NULL or `other`.
fn text(usual: &'static str, other: &'static str) -> impl Strategy<Value = Option<String>> {
    let some = |text: &'static str| Just(Some(text.to_owned()));
    prop_oneof![8 => some(usual), 1 => Just(None), 1 => some(other)]
}

fn source() -> impl Strategy<Value = Source> {
    let [usual, other] = sources();
    prop_oneof![6 => Just(usual), 1 => Just(other)]
}

fn attempt() -> impl Strategy<Value = Time> {
    select(vec![10, 20, 30])
}

fn original() -> impl Strategy<Value = Option<String>> {
    // the last is never reported
    let number = prop_oneof![select(vec!["0", "1", "2", "7", ""])];
    prop_oneof![3 => Just(None), 1 => number.prop_map(|number| Some(number.to_owned()))]
}

fn start() -> impl Strategy<Value = What> {
    let status = prop_oneof![
        5 => Just(Some("Created")), 2 => Just(Some("Started")),
        1 => Just(Some("Completed")), 1 => Just(None),
    ];
    let texts = (
        text("main", "side"),
        text("p", "q"),
        text("in", "im"),
        text("m", "n"),
    );
    let ended = prop_oneof![4 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(None)];
    (source(), attempt(), texts, original(), status, ended).prop_map(
        |(source, at, (flow, parent, input, misc), original, status, ended)| {
            let start = Start {
                at,
                flow,
                parent,
                original,
                input,
                misc,
                status: status.map(str::to_owned),
                ended_at: ended.map(|after| at + after),
            };
            What::Start(source, start)
        },
    )
}

fn end() -> impl Strategy<Value = What> {
    let at = prop_oneof![5 => attempt().prop_map(Some), 1 => Just(None)];
    let ended_at = select(vec![8, 12, 22, 32]);
    let status = prop_oneof![
        4 => Just(Some("Completed")), 1 => Just(Some("Failed")),
        2 => Just(Some("Waiting")), 1 => Just(None),
    ];
    let texts = (text("out", "oh"), text("main", "side"));
    (source(), at, ended_at, status, texts).prop_map(
        |(source, at, ended_at, status, (output, flow))| {
            let end = End {
                at,
                ended_at,
                status: status.map(str::to_owned),
                output,
                flow,
            };
            What::End(source, end)
        },
    )
}

fn step() -> impl Strategy<Value = What> {
    let at = select(vec![5, 10, 15, 20, 25, 30, 35]);
    let ended_at = prop_oneof![2 => Just(Some(40)), 1 => Just(Some(41)), 1 => Just(None)];
    let texts = (text("d", "e"), text("t", "u"), text("Completed", "Failed"));
    let rerun = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (0..4, at, ended_at, texts, rerun).prop_map(
        |(number, at, ended_at, (data, task, status), rerun)| {
            What::Step(Step {
                number,
                at,
                ended_at,
                data,
                task,
                status,
                rerun,
            })
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let instance = || prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let what = prop_oneof![4 => start(), 3 => end(), 6 => step()];
    let flags = (0..2_usize, any::<[bool; 2]>(), prop::bool::weighted(0.1));
    let report = (instance(), what, flags).prop_map(
        |(instance, what, (writer, [twice, closes], resent))| {
            Act::Report(Report {
                instance,
                what,
                writer,
                twice,
                closes,
                resent,
            })
        },
    );
    let asked_at = select(vec![12, 17, 22, 27, 40]);
    let cut = (instance(), 0..4, asked_at).prop_map(|(instance, from, asked_at)| Act::Cut {
        instance,
        from,
        asked_at,
    });
    prop_oneof![12 => report, 1 => cut]
}

/// Any small world.
pub(super) fn world() -> impl Strategy<Value = World> {
    let deleted = prop_oneof![
        6 => Just(None),
        1 => (0..2_usize, select(vec![10, 15, 25])).prop_map(Some),
    ];
    let acts = prop::collection::vec(act(), 1..32);
    (deleted, acts).prop_map(|(deleted, acts)| World { deleted, acts })
}
