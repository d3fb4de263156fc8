//! What an engine reports, made up without end: flows like the recorded ones, one after the other.
//!
//! Instance ids are like those of Flogo's generator: the first half counts, its low byte first, and
//! the second half is the same in one run. So ids that follow each other are far apart in an index,
//! and what a run has sent can be found again.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::{
    body::{ID, Items, Values},
    script::{Recorded, Script, scripts},
    time::Moment,
};

/// Time from one step of a flow to the next, and what a step takes.
const STEP_EVERY: Duration = Duration::from_micros(1_500);
const STEP_TAKES: Duration = Duration::from_micros(800);

/// Bytes of the largest recorded event at most, and of what stands around a payload.
const LARGEST_RECORDED: usize = 2 << 10;

/// What flows look like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Who reports.
    pub user: String,
    /// Its app.
    pub app: String,
    /// Bytes of a step's body, about; none for bodies as recorded.
    pub payload: Option<usize>,
    /// Share of flows that are long, 0 to 1, and how many steps those have.
    pub long_flows: f64,
    /// Steps of a long flow.
    pub long_steps: u32,
    /// Share of flows that repeat an earlier one, 0 to 1.
    pub reruns: f64,
    /// Whether flows are steps alone, without starts and ends.
    pub steps_only: bool,
}

/// What all connections of one run have in common.
#[derive(Clone, Debug)]
pub struct Cast {
    shape: Arc<Shape>,
    scripts: Arc<[Script]>,
    items: Arc<Items>,
    seed: u64,
    suffix: String,
}

/// The flows that one connection reports.
#[derive(Debug)]
pub struct Flows {
    cast: Cast,
    random: fastrand::Rng,
    /// Number of the next flow, and by how much it grows.
    next: u64,
    step: u64,
    current: Flow,
    /// Steps and flows that were made so far.
    made: (u64, u64),
}

#[derive(Debug)]
struct Flow {
    id: [u8; ID],
    original: Option<[u8; ID]>,
    script: usize,
    steps: u32,
    at: At,
    started_at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Step(u32),
    End,
    Over,
}

/// What happened next.
#[derive(Debug)]
pub(super) struct Occurrence<'a> {
    pub(super) what: What<'a>,
    pub(super) script: &'a Script,
    pub(super) values: Values<'a>,
    pub(super) items: &'a Items,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Started,
    Step(&'a Recorded),
    Ended,
}

impl Cast {
    /// A run of flows of this shape, with instance ids that no other run has.
    ///
    /// # Errors
    /// When the traffic built in cannot be read.
    pub fn new(shape: Shape) -> anyhow::Result<Self> {
        let scripts = scripts(&shape.user, &shape.app, shape.payload)?;
        let (seed, suffix) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Self {
            shape: Arc::new(shape),
            scripts: scripts.into(),
            items: Arc::new(Items::new(seed)),
            seed,
            suffix: format!("{suffix:016x}"),
        })
    }

    /// What the instance ids of this run end in, 16 characters.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// Who reports.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The flows of connection `number` of so many.
    pub fn flows(&self, number: usize, of: usize) -> Flows {
        let mut flows = Flows {
            random: fastrand::Rng::with_seed(self.seed ^ number as u64),
            next: number as u64,
            step: of as u64,
            current: Flow {
                id: [0; ID],
                original: None,
                script: 0,
                steps: 0,
                at: At::Over,
                started_at: Moment::now(),
            },
            made: (0, 0),
            cast: self.clone(),
        };
        flows.begin();
        flows
    }

    fn id(&self, number: u64) -> [u8; ID] {
        let mut id = String::with_capacity(ID);
        for byte in (self.seed ^ number).to_le_bytes() {
            write!(id, "{byte:02x}").expect("memory takes everything");
        }
        id.push_str(&self.suffix);
        id.into_bytes().try_into().expect("32 characters")
    }
}

impl Flows {
    /// The next thing that happens; flows follow each other without end.
    pub(super) fn next(&mut self) -> Occurrence<'_> {
        let at = self.current.at;
        if at == At::Over {
            self.begin();
            return self.next();
        }
        self.current.at = match at {
            At::Start => At::Step(0),
            At::Step(number) if number + 1 < self.current.steps => At::Step(number + 1),
            At::Step(_) if !self.cast.shape.steps_only => At::End,
            At::Step(_) | At::End | At::Over => At::Over,
        };
        match at {
            At::Step(_) => self.made.0 += 1,
            At::Start => self.made.1 += 1,
            At::End | At::Over => {}
        }
        let flow = &self.current;
        let script = &self.cast.scripts[flow.script];
        let (what, number) = match at {
            At::Step(number) => {
                let recorded = &script.steps[number as usize % script.steps.len()];
                (What::Step(recorded), number)
            }
            At::Start => (What::Started, 0),
            At::End | At::Over => (What::Ended, flow.steps),
        };
        let (started_at, ended_at) = match what {
            What::Started => (flow.started_at, flow.started_at.later(STEP_TAKES)),
            What::Ended => (
                flow.started_at,
                flow.started_at.later(STEP_EVERY * (number + 1)),
            ),
            What::Step(_) => {
                let at = flow.started_at.later(STEP_EVERY * (number + 1));
                (at, at.later(STEP_TAKES))
            }
        };
        Occurrence {
            what,
            script,
            items: &self.cast.items,
            values: Values {
                instance: &flow.id,
                original: flow.original.as_ref(),
                number,
                started_at,
                ended_at,
                chance: self.random.usize(..),
            },
        }
    }

    /// Steps and flows that were made so far: rows that will be in the tables.
    pub(super) fn made(&self) -> (u64, u64) {
        self.made
    }

    /// Bytes that an event has at most.
    pub(super) fn largest(&self) -> usize {
        LARGEST_RECORDED + self.cast.shape.payload.unwrap_or_default()
    }

    fn begin(&mut self) {
        let shape = Arc::clone(&self.cast.shape);
        let random = &mut self.random;
        let script = random.usize(..self.cast.scripts.len());
        let long = random.f64() < shape.long_flows;
        let recorded = self.cast.scripts[script].steps.len();
        let first = self.next < self.step;
        let original = (random.f64() < shape.reruns && !first).then_some(self.current.id);
        self.current = Flow {
            id: self.cast.id(self.next),
            original,
            script,
            steps: if long {
                shape.long_steps
            } else {
                u32::try_from(recorded).expect("few steps")
            },
            at: if shape.steps_only {
                At::Step(0)
            } else {
                At::Start
            },
            started_at: Moment::now(),
        };
        self.next += self.step;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn cast(change: impl FnOnce(&mut Shape)) -> Cast {
        let mut shape = Shape {
            user: "load".to_owned(),
            app: "load".to_owned(),
            payload: None,
            long_flows: 0.0,
            long_steps: 50,
            reruns: 0.0,
            steps_only: false,
        };
        change(&mut shape);
        Cast::new(shape).expect("the traffic can be read")
    }

    /// The id, the original and the number of steps of so many flows.
    fn flows(
        cast: &Cast,
        number: usize,
        of: usize,
        count: usize,
    ) -> Vec<(String, Option<String>, u32)> {
        let text = |id: &[u8; ID]| String::from_utf8_lossy(id).into_owned();
        let mut flows = cast.flows(number, of);
        let mut found = Vec::new();
        while found.len() < count {
            let next = flows.next();
            if matches!(next.what, What::Ended) {
                let values = next.values;
                found.push((
                    text(values.instance),
                    values.original.map(text),
                    values.number,
                ));
            }
        }
        let steps = found.iter().map(|(.., steps)| u64::from(*steps)).sum();
        assert_eq!(flows.made(), (steps, count as u64));
        found
    }

    #[test]
    fn every_flow_has_an_id_of_its_own_with_the_ending_of_the_run() {
        let cast = cast(|_| {});
        let of = |number| flows(&cast, number, 3, 200);
        let ids: HashSet<String> = (0..3).flat_map(of).map(|(id, ..)| id).collect();
        assert_eq!(ids.len(), 600);
        let hex = |id: &String| id.len() == ID && id.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(ids.iter().all(|id| hex(id) && id.ends_with(cast.suffix())));
    }

    #[test]
    fn a_flow_is_a_start_its_steps_in_order_and_an_end() {
        let cast = cast(|_| {});
        let mut flows = cast.flows(0, 1);
        for _ in 0..20 {
            assert!(matches!(flows.next().what, What::Started));
            let mut number = 0;
            loop {
                let next = flows.next();
                assert_eq!(next.values.number, number);
                match next.what {
                    What::Step(_) => number += 1,
                    What::Ended => break,
                    What::Started => panic!("a start in the middle"),
                }
            }
            assert!((3..=10).contains(&number), "{number} steps");
        }
        let mut steps = self::cast(|shape| shape.steps_only = true).flows(0, 1);
        for _ in 0..100 {
            assert!(matches!(steps.next().what, What::Step(_)));
        }
        assert_eq!(steps.made(), (100, 0));
    }

    #[test]
    fn long_flows_and_reruns_have_their_share() {
        let long = cast(|shape| shape.long_flows = 0.5);
        let long = flows(&long, 0, 1, 2_000);
        let long = long.iter().filter(|(.., steps)| *steps == 50).count();
        assert!((800..1_200).contains(&long), "{long} of 2000");

        let half = cast(|shape| shape.reruns = 0.5);
        let half = flows(&half, 0, 1, 2_000);
        let half = half
            .iter()
            .filter(|(_, original, _)| original.is_some())
            .count();
        assert!((800..1_200).contains(&half), "{half} of 2000");

        let all = flows(&cast(|shape| shape.reruns = 1.0), 1, 2, 20);
        assert_eq!(all[0].1, None);
        for pair in all.windows(2) {
            assert_eq!(pair[1].1.as_ref(), Some(&pair[0].0));
        }
    }
}
