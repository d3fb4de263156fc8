//! What engines tell: families of instances that follow from seed, client and number alone, so that
//! nobody has to remember what was sent.
//!
//! A family is an instance, its reruns and its child flows. Some of its members begin a second
//! attempt, pause, never end, or report an end that names no attempt.

use bytes::Bytes;

use super::text;
use crate::support::Chance;

/// µs UTC since 1970.
pub(crate) type Time = i64;

/// When the first family of a client begins: 2026-01-01.
const BEGIN: Time = 1_767_225_600_000_000;
const SECOND: Time = 1_000_000;
/// Between the starts of two families; an attempt takes less.
const APART: Time = 60 * SECOND;

/// How a client behaves and what its events look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// It posts to the REST recorder, one event after the other.
    pub(crate) posts: bool,
    /// An operator switches its app off and on.
    pub(crate) toggled: bool,
    /// Small payloads, so that many events fit onto a disk.
    pub(crate) lean: bool,
}

/// The columns that say who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) user: String,
    pub(crate) app: String,
    pub(crate) version: String,
    pub(crate) host: String,
}

/// A start, in the values its row has.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) at: Time,
    pub(crate) ended_at: Time,
    pub(crate) flow: String,
    pub(crate) status: &'static str,
    pub(crate) original: Option<String>,
    pub(crate) parent: Option<(String, String)>,
    pub(crate) input: Bytes,
    pub(crate) misc: Option<Bytes>,
}

/// A step, in the values its row has.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) number: i32,
    pub(crate) at: Time,
    pub(crate) ended_at: Time,
    pub(crate) task: &'static str,
    pub(crate) status: &'static str,
    pub(crate) flow: String,
    pub(crate) subflow: String,
    pub(crate) rerun: bool,
    pub(crate) parent: Option<String>,
    pub(crate) data: Bytes,
    pub(crate) misc: Option<Bytes>,
}

/// An end, in the values its row has.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: Option<Time>,
    pub(crate) ended_at: Time,
    pub(crate) status: &'static str,
    pub(crate) flow: Option<String>,
    pub(crate) output: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Start(Start),
    Step(Step),
    End(End),
}

/// One instance and everything it reports, in the order in which it happened.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) events: Vec<What>,
}

/// Instances that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) instances: Vec<Instance>,
    /// The order in which its events are sent: instance and event.
    pub(crate) order: Vec<(usize, usize)>,
}

/// One client: what it tells follows from this.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) seed: u64,
    pub(crate) client: usize,
    pub(crate) style: Style,
}

impl Teller {
    /// Who it is.
    pub(crate) fn source(&self) -> Source {
        Source {
            user: "acme".into(),
            app: format!("app-{}", self.client),
            version: "1.4.2".into(),
            host: format!("host-{}", self.client % 3),
        }
    }

    /// Chance that decides on `part` of its story.
    pub(crate) fn chance(&self, part: u64) -> Chance {
        let client = u64::try_from(self.client).expect("few clients");
        let mut mixed = Chance(self.seed ^ (client + 1).wrapping_mul(0x9e6c_63d0_876a_68ee));
        Chance(mixed.number() ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Its family of this number.
    pub(crate) fn family(&self, number: u64) -> Family {
        let mut chance = self.chance(number);
        let plain = self.style.posts || self.style.toggled;
        let begin = BEGIN + APART * i64::try_from(number).expect("few families");
        let mut instances = vec![self.instance(number, 0, begin, &Kin::None, &mut chance)];
        let original = instances[0].id.clone();
        if !self.style.toggled && chance.below(12) == 0 {
            for member in 1..=1 + chance.below(3) {
                let later = begin + 20 * SECOND + i64::try_from(member).expect("few") * SECOND;
                let kin = Kin::Rerun(original.clone());
                instances.push(self.instance(number, member, later, &kin, &mut chance));
            }
        } else if !plain && chance.below(12) == 0 {
            let kin = Kin::Child(original);
            instances.push(self.instance(number, 1, begin + 1_500, &kin, &mut chance));
        }
        let mut order: Vec<_> = (instances.iter().enumerate())
            .flat_map(|(at, instance)| (0..instance.events.len()).map(move |event| (at, event)))
            .collect();
        if !plain && chance.below(6) == 0 {
            // ends before starts, steps in any order, reruns before their originals
            chance.shuffle(&mut order);
        }
        Family { instances, order }
    }

    fn instance(
        &self,
        family: u64,
        member: usize,
        begin: Time,
        kin: &Kin,
        chance: &mut Chance,
    ) -> Instance {
        let id = format!(
            "{:08x}-c{}-{family}-{member}",
            self.seed & 0xffff_ffff,
            self.client
        );
        let mut writer = Writer {
            id: &id,
            style: self.style,
            flow: ["order", "invoice", "shipment"][chance.below(3)],
            events: Vec::new(),
            chance,
        };
        let steps = match writer.chance.below(100) {
            0..4 if !self.style.posts => 100 + writer.chance.below(200),
            4..12 => writer.chance.below(3),
            _ => 3 + writer.chance.below(12),
        };
        let steps = i32::try_from(steps).expect("few");
        let again = matches!(kin, Kin::None)
            && !self.style.toggled
            && !self.style.posts
            && writer.chance.below(14) == 0;
        writer.attempt(begin, 0..steps, "Created", kin, !again);
        if again {
            let (from, word) = match writer.chance.below(3) {
                0 => (steps / 2, "Started"),
                _ => (0, "Created"),
            };
            let to = steps + i32::try_from(writer.chance.below(5)).expect("few") - 2;
            writer.attempt(begin + 10 * SECOND, from..to.max(from), word, kin, false);
        }
        Instance {
            events: writer.events,
            id,
        }
    }
}

/// What an instance is to the first of its family.
enum Kin {
    None,
    Rerun(String),
    Child(String),
}

/// Writes down what an instance reports.
struct Writer<'a> {
    id: &'a str,
    style: Style,
    flow: &'static str,
    events: Vec<What>,
    chance: &'a mut Chance,
}

impl Writer<'_> {
    /// An attempt; `alone` when it is the only one.
    fn attempt(
        &mut self,
        at: Time,
        steps: std::ops::Range<i32>,
        status: &'static str,
        kin: &Kin,
        alone: bool,
    ) {
        let original = match kin {
            Kin::Rerun(original) => Some(original.clone()),
            _ if self.style.posts => Some(String::new()),
            _ => None,
        };
        let parent = match kin {
            Kin::Child(parent) => Some((parent.clone(), "main".to_owned())),
            _ => None,
        };
        let input = self.payload("order", 120);
        let misc = self.misc();
        self.events.push(What::Start(Start {
            at,
            ended_at: at + 22,
            flow: self.flow.into(),
            status,
            original,
            parent,
            input,
            misc,
        }));
        let count = i64::from(steps.end - steps.start);
        for number in steps.clone() {
            let began = at + 1_000 * i64::from(number - steps.start + 1);
            self.step(number, began, status == "Started");
        }
        let finish = at + 1_000 * (count + 2);
        if !self.style.posts && self.chance.below(20) == 0 {
            let (paused, output) = (finish - 500, self.payload("paused", 30));
            self.end(Some(at), paused, "Waiting", output);
        }
        let word = match self.chance.below(100) {
            0..3 => return,
            3..12 => "Failed",
            12..15 => "Cancelled",
            _ => "Completed",
        };
        let nameless = alone && !self.style.posts && self.chance.below(20) == 0;
        let ended_at = finish + i64::try_from(self.chance.below(999)).expect("small");
        let output = self.payload("result", 60);
        self.end((!nameless).then_some(at), ended_at, word, output);
    }

    fn end(&mut self, at: Option<Time>, ended_at: Time, status: &'static str, output: Bytes) {
        let told = self.style.posts || self.chance.below(2) == 0;
        self.events.push(What::End(End {
            at,
            ended_at,
            status,
            flow: told.then(|| self.flow.to_owned()),
            output,
        }));
    }

    fn step(&mut self, number: i32, at: Time, rerun: bool) {
        let (task, subflow) = match (number % 7, self.style.posts) {
            (4 | 5, false) => ("convert", "1"),
            (0, _) => ("validate", "0"),
            (6, _) => ("store", "0"),
            _ => ("enrich", "0"),
        };
        let status = if number % 23 == 22 {
            "Failed"
        } else {
            "Completed"
        };
        let ended_at = at + 400 + i64::try_from(self.chance.below(300)).expect("small");
        // the state that a step carries grows with the flow; a few carry a document
        let grown = usize::try_from(number.min(100)).expect("not negative") * 12;
        let state = match self.chance.below(400) {
            _ if self.style.lean => 80,
            0 => 20_000 + self.chance.below(100_000),
            1..12 => 2_000 + self.chance.below(6_000),
            _ => 150 + grown + self.chance.below(200),
        };
        let misc = self.misc();
        let data = text::step(&text::Told {
            instance: self.id,
            number,
            flow: self.flow,
            task,
            failed: status == "Failed",
            at,
            ended_at,
            rerun,
            state: text::noise(self.chance.number(), state),
        });
        self.events.push(What::Step(Step {
            number,
            at,
            ended_at,
            task,
            status,
            flow: self.flow.into(),
            subflow: subflow.into(),
            rerun,
            parent: (subflow == "1").then(|| (number - 1).to_string()),
            data,
            misc,
        }));
    }

    /// A JSON object.
    fn payload(&mut self, key: &str, bytes: usize) -> Bytes {
        let noise = text::noise(self.chance.number(), bytes / 2 + self.chance.below(bytes));
        format!(r#"{{"{key}":"{noise}"}}"#).into()
    }

    /// Bytes that are no text.
    fn misc(&mut self) -> Option<Bytes> {
        if self.style.posts || self.style.lean || self.chance.below(10) > 0 {
            return None;
        }
        let count = self.chance.below(40);
        Some(self.chance.bytes(count).into())
    }
}
