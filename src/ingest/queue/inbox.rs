//! The parts that wait for one lane, served in turns among those who hold their bytes: a part of a
//! quiet app goes into the next batch, however much a busy one has in front of the lane.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    Closed, Holder, Part,
    pace::Pace,
    spread::{Gate, Spread},
    turns::Turns,
};

/// How long a lane counts as shared after parts of two holders came together, or in a row.
const COMPANY: Duration = Duration::from_secs(10);

/// The parts that wait for one lane.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    last: Option<Holder>,
    company_until: Option<Instant>,
    pace: Pace,
    spread: Spread,
    wrote_at: Instant,
}

/// The other end: where parts are put. Dropping it closes the inbox.
#[derive(Debug)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    parts: Mutex<Parts>,
    ready: Notify,
}

/// What waits, and which end has gone. Who waits for a part is told of a change after it.
#[derive(Debug, Default)]
struct Parts {
    turns: Turns<Holder, Part>,
    /// What waits behind gates.
    behind: VecDeque<(Gate, Turns<Holder, Part>)>,
    closed: bool,
    unread: bool,
}

/// Both ends.
pub(super) fn inbox(spread: Spread) -> (Outlet, Inbox) {
    let shared = Arc::<Shared>::default();
    let inbox = Inbox {
        shared: Arc::clone(&shared),
        last: None,
        company_until: None,
        pace: Pace::default(),
        spread,
        wrote_at: Instant::now(),
    };
    (Outlet(shared), inbox)
}

impl Inbox {
    /// The next part; none when no [`Intake`](super::Intake) is left and nothing waits. Cancel safe.
    /// Whoever asks is through with all that it was given: at a gate this waits for the other lanes.
    pub async fn recv(&mut self) -> Option<Part> {
        loop {
            if let Some(part) = self.more().await {
                return Some(part);
            }
            let open = self
                .shared
                .lock()
                .behind
                .front_mut()
                .map(|(gate, _)| gate.arrive());
            open?.cancelled().await;
            self.shared.lock().pass();
        }
    }

    /// The next part of a batch that is made; none at a gate either. Cancel safe.
    pub async fn more(&mut self) -> Option<Part> {
        loop {
            if let Some(part) = self.try_recv() {
                return Some(part);
            }
            if self.shared.lock().ended() {
                // What came between the two looks.
                return self.try_recv();
            }
            // One that comes meanwhile is remembered: there is a single reader.
            self.shared.ready.notified().await;
        }
    }

    /// The next part, if one waits and no gate is before it.
    pub fn try_recv(&mut self) -> Option<Part> {
        let mut parts = self.shared.lock();
        let (holder, part) = parts.turns.pop()?;
        let several = parts.turns.several();
        drop(parts);
        self.spread.went(part.weight());
        if let Some(holder) = holder {
            let before = self.last.replace(holder);
            if several || before.is_some_and(|before| Some(before) != self.last) {
                self.company_until = Some(Instant::now() + COMPANY);
            }
        }
        Some(part)
    }

    /// What a batch may have of `most` rows or bytes: less while the lane is shared, so that nobody
    /// waits for long batches of others.
    pub fn fair(&self, most: usize) -> usize {
        if self.shared_at(Instant::now()) {
            most / self.pace.cut()
        } else {
            most
        }
    }

    /// A batch of so many rows and bytes was written in `time`.
    pub fn wrote(&mut self, rows: usize, bytes: usize, time: Duration) {
        let now = Instant::now();
        if self.shared_at(now - time) {
            self.pace.took(time);
        }
        let all = now - std::mem::replace(&mut self.wrote_at, now);
        let busy = time.as_secs_f64() / all.max(time).as_secs_f64().max(f64::EPSILON);
        self.spread.wrote(rows, bytes, busy);
    }

    fn shared_at(&self, time: Instant) -> bool {
        self.company_until.is_some_and(|until| time < until)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut parts = self.shared.lock();
        parts.unread = true;
        let unread = (
            std::mem::take(&mut parts.turns),
            std::mem::take(&mut parts.behind),
        );
        drop(parts);
        // Their shares answer that they are lost.
        drop(unread);
    }
}

impl Outlet {
    /// Puts a part behind those of `holder`; `bytes` are what it takes of a turn.
    pub fn put(&self, holder: &Holder, bytes: usize, part: Part) -> Result<(), Closed> {
        self.change(|turns| turns.push(holder, bytes, part))
    }

    /// Puts a part behind everything that waits.
    pub fn put_behind(&self, part: Part) -> Result<(), Closed> {
        self.change(|turns| turns.behind(part))
    }

    /// Puts a gate behind everything that waits, and before whatever comes. A lane that is gone needs
    /// none.
    pub fn divide(&self, gate: Gate) {
        let mut parts = self.0.lock();
        if !parts.unread {
            parts.behind.push_back((gate, Turns::default()));
            drop(parts);
            self.0.ready.notify_one();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Turns<Holder, Part>)) -> Result<(), Closed> {
        let mut parts = self.0.lock();
        if parts.unread {
            return Err(Closed);
        }
        change(parts.last());
        drop(parts);
        self.0.ready.notify_one();
        Ok(())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_one();
    }
}

impl Parts {
    /// What comes now goes here.
    fn last(&mut self) -> &mut Turns<Holder, Part> {
        self.behind
            .back_mut()
            .map_or(&mut self.turns, |(_, turns)| turns)
    }

    /// Nothing comes any more, or not before the gate.
    fn ended(&self) -> bool {
        self.closed || !self.behind.is_empty()
    }

    /// Goes through the gate.
    fn pass(&mut self) {
        if let Some((_, turns)) = self.behind.pop_front() {
            self.turns = turns;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
