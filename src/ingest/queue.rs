//! Between the edges and the lanes: one budget of bytes for the process, one queue for each lane.
//!
//! - An edge takes a [`Permit`] before it decodes a chunk; with the database slow or away permits
//!   run out, the edge waits, and so does its client: back-pressure needs no other code.
//! - Whatever is queued is paid for by permits, by bytes and by number, so a queue needs no limit.
//! - Room and turns are shared among [`Holder`]s: a busy app does not hold up a quiet one.
//! - An instance goes to the same lane as long as parts are spread among as many lanes as before. When
//!   that changes, no lane goes on before all are through with what was placed until then: what came
//!   first of an instance is written first.
//! - A part without rows is answered behind everything its lane took before: [`Intake::settled`].
//! - A lane ends when every [`Intake`] is gone and its queue is empty.

mod budget;
mod holder;
mod inbox;
mod pace;
mod spread;
mod turns;

use std::{
    hash::BuildHasher,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use bytes::Bytes;
use foldhash::fast::FixedState;
use tokio::time::timeout;

pub use budget::{Budget, Permit};
pub use holder::Holder;
pub use inbox::Inbox;
pub use spread::Spread;

use self::{
    inbox::{Outlet, inbox},
    spread::{Gate, weight},
};
use super::ticket::{Outcome, Receipt, Share, Witness, ticket, witnessed};
use crate::event::App;

/// Memory of a chunk besides its parts, at most: ticket, receipt, its place in the stream.
pub const CHUNK_BYTES: usize = 1 << 10;
/// Memory of a part besides its rows, at most: itself, its place in a queue and in a batch.
pub(super) const PART_BYTES: usize = 512;
/// Memory of a row besides its bytes, at most: its mark, and what its buffer was too large.
pub(super) const ROW_BYTES: usize = size_of::<Mark>() + 64;

/// Encoded rows of one table and where they came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The rows, one after the other, in binary COPY format without header and trailer.
    pub bytes: Bytes,
    /// One for each row.
    pub marks: Vec<Mark>,
}

/// Where a row ends and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Position behind the row's last byte.
    pub end: u32,
    /// Position of the event in its chunk.
    pub index: u32,
    /// An end that may complete a stored instance and makes none.
    pub complete_only: bool,
}

/// An app to be registered in `appstate` by whoever writes the part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registration {
    /// `userid`.
    pub user: String,
    /// `appname`.
    pub app: String,
    /// `appversion`.
    pub version: String,
}

/// What one lane gets of a chunk.
#[derive(Debug)]
pub struct Part {
    /// Rows of `steps`.
    pub steps: Rows,
    /// Staged rows of `flowstate`.
    pub flows: Rows,
    /// Some of these starts name an original.
    pub reruns: bool,
    /// Any of these events may have been sent before.
    pub resent: bool,
    /// An app to register.
    pub registration: Option<Registration>,
    /// The app whose engine reports, where the edge knows it.
    pub app: Option<Arc<App>>,
    /// The part's answer.
    pub share: Share,
}

/// The rows of a chunk for one lane, before they have a ticket.
#[derive(Debug, Default)]
pub struct Load {
    /// Rows of `steps`.
    pub steps: Rows,
    /// Staged rows of `flowstate`.
    pub flows: Rows,
    /// Some of these starts name an original.
    pub reruns: bool,
    /// An app to register.
    pub registration: Option<Registration>,
    /// The app whose engine reports, where the edge knows it.
    pub app: Option<Arc<App>>,
}

/// Cheap handle on the way in. As long as there is one the lanes go on.
#[derive(Clone, Debug)]
pub struct Intake {
    lanes: Arc<[Outlet]>,
    spread: Spread,
    /// Among how many lanes the last part was placed.
    placed: Arc<RwLock<usize>>,
    budget: Budget,
}

/// What was taken is not written within the time allowed, or never will be by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled;

/// The process stops, or a lane has ended: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// An intake of `bytes` for `lanes` lanes, and what each lane reads.
pub fn queue(lanes: usize, bytes: usize) -> (Intake, Vec<Inbox>) {
    let spread = Spread::new(lanes);
    let both = (0..lanes).map(|_| inbox(spread.clone()));
    let (outlets, inboxes): (Vec<_>, Vec<_>) = both.unzip();
    let intake = Intake {
        lanes: outlets.into(),
        spread,
        placed: Arc::new(RwLock::new(lanes)),
        budget: Budget::new(bytes),
    };
    (intake, inboxes)
}

impl Load {
    /// Whether there is nothing to do for its lane.
    pub fn is_empty(&self) -> bool {
        self.rows() == 0 && self.registration.is_none()
    }

    /// Memory that it takes as a part, in bytes.
    pub fn held_bytes(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        PART_BYTES + self.rows() * ROW_BYTES + self.steps.bytes.len() + self.flows.bytes.len()
    }

    fn rows(&self) -> usize {
        self.steps.marks.len() + self.flows.marks.len()
    }
}

impl Part {
    fn weight(&self) -> usize {
        self.steps.weight() + self.flows.weight()
    }
}

impl Rows {
    fn weight(&self) -> usize {
        weight(self.marks.len(), self.bytes.len())
    }
}

/// The lane of an instance, among so many lanes.
pub fn lane_of(instance: &str, lanes: usize) -> usize {
    let hash = FixedState::default().hash_one(instance);
    usize::try_from(hash % lanes as u64).expect("below the number of lanes")
}

impl Intake {
    /// Among how many lanes parts are to be spread.
    pub fn spread(&self) -> &Spread {
        &self.spread
    }

    /// The budget of this intake.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Memory that a chunk of so many rows takes at most besides the bytes of its rows.
    pub fn overhead_bytes(&self, rows: usize) -> usize {
        CHUNK_BYTES + self.lanes.len() * PART_BYTES + rows * ROW_BYTES
    }

    /// Hands the loads, one for each lane among which they are spread, to the lanes. `known` is what is
    /// settled already. They are served in the turns of who holds the permit. The `witness` is told the
    /// answer even where nobody waits for the receipt any more.
    ///
    /// # Errors
    /// [`Closed`] when a lane has ended; the chunk is lost.
    pub fn submit(
        &self,
        loads: Vec<Load>,
        resent: bool,
        known: Outcome,
        permit: Permit,
        witness: Option<Witness>,
    ) -> Result<Receipt, Closed> {
        let holder = permit.holder().clone();
        let (ticket, receipt) = witnessed(known, permit, witness);
        let _placed = self.placed(loads.len());
        for (lane, load) in self.lanes.iter().zip(loads) {
            if load.is_empty() {
                continue;
            }
            let bytes = load.held_bytes();
            let part = Part {
                steps: load.steps,
                flows: load.flows,
                reruns: load.reruns,
                registration: load.registration,
                app: load.app,
                resent,
                share: ticket.share(),
            };
            self.spread.came(part.weight());
            lane.put(&holder, bytes, part)?;
        }
        Ok(receipt)
    }

    /// Waits until everything that was submitted of `instance` before this call is written or
    /// refused, for `patience` at most. Takes no room. Whoever may hold the instance: it is answered
    /// behind all that waits for its lane.
    ///
    /// # Errors
    /// [`Unsettled`] when that takes longer, or the process stops.
    pub async fn settled(&self, instance: &str, patience: Duration) -> Result<(), Unsettled> {
        let (ticket, mut receipt) = ticket(Outcome::default(), self.budget.nothing());
        let part = Part {
            steps: Rows::default(),
            flows: Rows::default(),
            reruns: false,
            resent: false,
            registration: None,
            app: None,
            share: ticket.share(),
        };
        drop(ticket);
        {
            let placed = self.placed(self.spread.among());
            let lane = &self.lanes[lane_of(instance, *placed)];
            lane.put_behind(part).map_err(|_| Unsettled)?;
        }
        let answer = timeout(patience, receipt.answer()).await;
        answer.map_err(|_| Unsettled)?.map_err(|_| Unsettled)?;
        Ok(())
    }

    /// As long as this is held parts are placed among so many lanes and no others. What was placed
    /// among more or fewer is in front of a gate.
    fn placed(&self, among: usize) -> RwLockReadGuard<'_, usize> {
        loop {
            let placed = self.placed.read().unwrap_or_else(PoisonError::into_inner);
            if *placed == among {
                return placed;
            }
            drop(placed);
            let mut placed = self.placed.write().unwrap_or_else(PoisonError::into_inner);
            if *placed != among {
                *placed = among;
                let gate = Gate::new();
                for lane in &*self.lanes {
                    lane.divide(gate.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
