//! From the encoded events of a chunk, or one event of a request, to rows for the lanes: decode,
//! admit, encode, each event once.

use super::{
    admission::{Decision, admit},
    queue::{CHUNK_BYTES, Intake, Load, Mark, Registration, Rows, lane_of},
    row::{self, Kind, OVERHEAD, Source},
    ticket::Outcome,
    wire,
};
use crate::{
    control::Toggles,
    event::{Event, Invalid, Reason},
};

/// What holds for every event of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Who reports.
    pub source: &'a Source,
    /// Whether its app is recorded now.
    pub enabled: bool,
    /// Bytes an encoded event may have.
    pub max_event_bytes: usize,
}

/// Memory of a rejection, about: its sentence and where it stands.
const REJECTION_BYTES: usize = 160;

/// Memory that a chunk may need at most, in bytes: its frame, the rows made of it, and what they
/// take besides. An event that is rejected takes less than one that is not.
pub fn charge(source: &Source, intake: &Intake, events: usize, frame_bytes: usize) -> usize {
    let rows = frame_bytes * 2 + events * (OVERHEAD + source.bytes());
    rows + intake.overhead_bytes(events)
}

/// Memory that is held until a chunk is answered, in bytes.
pub fn held_bytes(loads: &[Load]) -> usize {
    CHUNK_BYTES + loads.iter().map(Load::held_bytes).sum::<usize>()
}

/// Memory of rejections, in bytes.
pub fn rejected_bytes(known: &Outcome) -> usize {
    known.rejections.len() * REJECTION_BYTES
}

/// Rows for each lane, and what is known already: skipped and invalid events.
pub fn load<'e>(
    events: impl Iterator<Item = &'e [u8]>,
    terms: Terms<'_>,
    intake: &Intake,
    registration: Option<Registration>,
) -> (Vec<Load>, Outcome) {
    let lanes = intake.spread().among();
    let mut admission = Admission::new(terms.source, terms.enabled, lanes);
    admission.admitted.reserve_exact(events.size_hint().0);
    for (index, bytes) in (0_u32..).zip(events) {
        match decode(bytes, terms.max_event_bytes) {
            Ok(event) => admission.take(index, event, bytes.len()),
            Err(invalid) => admission.known.reject(index, invalid),
        }
    }
    admission.encode(registration)
}

/// As [`load`], of one event that is decoded and checked.
pub fn one(
    event: &Event<'_>,
    source: &Source,
    enabled: bool,
    intake: &Intake,
    registration: Option<Registration>,
) -> (Vec<Load>, Outcome) {
    let mut known = Outcome::default();
    let lanes = intake.spread().among();
    let mut loads: Vec<_> = (0..lanes).map(|_| Load::default()).collect();
    match admit(event, enabled) {
        Decision::Skip => known.counts.skipped += 1,
        decision => {
            let mut room = Room::default();
            room.add(event, event.bytes(), source);
            let mut encoder = Encoder::with_room(room);
            encoder.encode(0, decision, event, source);
            loads[lane_of(event.instance(), lanes)] = encoder.finish();
        }
    }
    register(registration, &mut loads);
    (loads, known)
}

/// The row of `appstate` to be written with what `source` reports, if one is missing.
pub fn registration(toggles: &Toggles, source: &Source) -> Option<Registration> {
    let Source {
        user, app, version, ..
    } = source;
    toggles
        .unregistered(user, app, version)
        .then(|| Registration {
            user: user.clone(),
            app: app.clone(),
            version: version.clone(),
        })
}

/// Events decided on, and the room that their rows take in each lane.
struct Admission<'a> {
    source: &'a Source,
    enabled: bool,
    known: Outcome,
    admitted: Vec<(u32, usize, Decision, Event<'a>)>,
    room: Vec<Room>,
}

/// What the rows of a lane take, by table: bytes at most, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    steps: (usize, usize),
    flows: (usize, usize),
}

impl Room {
    /// Adds that of an event whose texts and payloads have so many `bytes` at most.
    fn add(&mut self, event: &Event<'_>, bytes: usize, source: &Source) {
        let bytes = bytes + OVERHEAD;
        let (table, bytes) = match event {
            Event::Step(_) => (&mut self.steps, bytes),
            _ => (&mut self.flows, bytes + source.bytes()),
        };
        table.0 += bytes;
        table.1 += 1;
    }
}

impl<'a> Admission<'a> {
    fn new(source: &'a Source, enabled: bool, lanes: usize) -> Self {
        Self {
            source,
            enabled,
            known: Outcome::default(),
            admitted: Vec::new(),
            room: vec![Room::default(); lanes],
        }
    }

    /// Takes an event whose texts and payloads have so many `bytes` at most.
    fn take(&mut self, index: u32, event: Event<'a>, bytes: usize) {
        let decision = admit(&event, self.enabled);
        if decision == Decision::Skip {
            self.known.counts.skipped += 1;
            return;
        }
        let lane = lane_of(event.instance(), self.room.len());
        self.room[lane].add(&event, bytes, self.source);
        self.admitted.push((index, lane, decision, event));
    }

    fn encode(self, registration: Option<Registration>) -> (Vec<Load>, Outcome) {
        let mut lanes: Vec<_> = self.room.into_iter().map(Encoder::with_room).collect();
        for (index, lane, decision, event) in self.admitted {
            lanes[lane].encode(index, decision, &event, self.source);
        }
        let mut loads: Vec<_> = lanes.into_iter().map(Encoder::finish).collect();
        register(registration, &mut loads);
        (loads, self.known)
    }
}

fn register(registration: Option<Registration>, loads: &mut [Load]) {
    if let Some(registration) = registration {
        // The same app always goes to the same lane, so that it is registered by one.
        let lane = lane_of(&registration.app, loads.len());
        loads[lane].registration = Some(registration);
    }
}

fn decode(bytes: &[u8], max_bytes: usize) -> Result<Event<'_>, Invalid> {
    if bytes.len() > max_bytes {
        return Err(Invalid::new(
            Reason::EventTooLarge,
            format!(
                "the event has {} bytes; send at most {max_bytes}",
                bytes.len()
            ),
        ));
    }
    wire::event(bytes)
}

/// Rows of one lane in the making. Its buffers are as large as its rows can become, so that a
/// payload is copied into its row and never moved again.
#[derive(Debug)]
struct Encoder {
    steps: Table,
    flows: Table,
    reruns: bool,
}

#[derive(Debug)]
struct Table {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

impl Encoder {
    fn with_room(room: Room) -> Self {
        Self {
            steps: Table::with_room(room.steps),
            flows: Table::with_room(room.flows),
            reruns: false,
        }
    }

    fn encode(&mut self, index: u32, decision: Decision, event: &Event<'_>, source: &Source) {
        let complete_only = decision == Decision::CompleteOnly;
        match event {
            Event::Step(step) => {
                row::step(&mut self.steps.bytes, step);
                self.steps.mark(index, false);
            }
            Event::Started(start) => {
                row::start(&mut self.flows.bytes, source, start);
                self.flows.mark(index, false);
                self.reruns |= start.original.is_some_and(|original| !original.is_empty());
            }
            Event::Ended(end) => {
                let kind = if complete_only {
                    Kind::CompleteOnly
                } else {
                    Kind::End
                };
                row::end(&mut self.flows.bytes, source, kind, end);
                self.flows.mark(index, complete_only);
            }
        }
    }

    fn finish(self) -> Load {
        Load {
            steps: self.steps.finish(),
            flows: self.flows.finish(),
            reruns: self.reruns,
            registration: None,
            app: None,
        }
    }
}

impl Table {
    fn with_room((bytes, rows): (usize, usize)) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            marks: Vec::with_capacity(rows),
        }
    }

    fn mark(&mut self, index: u32, complete_only: bool) {
        let end = u32::try_from(self.bytes.len()).expect("a chunk is far below 4 GiB");
        self.marks.push(Mark {
            end,
            index,
            complete_only,
        });
    }

    fn finish(self) -> Rows {
        Rows {
            bytes: self.bytes.into(),
            marks: self.marks,
        }
    }
}
