//! Between the edges and the lanes: one budget of bytes for the process, one bounded channel for
//! each lane.
//!
//! - An edge takes a [`Permit`] before it decodes a chunk; with the database slow or away permits
//!   run out, the edge waits, and so does its client: back-pressure needs no other code.
//! - An instance always goes to the same lane.
//! - A part without rows is answered behind everything its lane took before: [`Intake::settled`].
//! - A lane ends when every [`Intake`] is gone and its channel is empty.

use std::{
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use foldhash::fast::FixedState;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::ticket::{Outcome, Receipt, Share, ticket};
use crate::event::App;

/// Parts that may wait in front of a lane. Their bytes are bounded by the budget; this bounds
/// their number.
const PARTS: usize = 4096;

/// Memory taken from the budget; part of it can be given back early.
#[derive(Debug)]
pub struct Permit(pub(super) OwnedSemaphorePermit);

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

/// The parts that wait for one lane.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Part>);

impl Inbox {
    /// The next part; none when no [`Intake`] is left and nothing waits. Cancel safe.
    pub async fn recv(&mut self) -> Option<Part> {
        self.0.recv().await
    }

    /// The next part, if one waits.
    pub fn try_recv(&mut self) -> Option<Part> {
        self.0.try_recv().ok()
    }
}

/// Cheap handle on the way in. As long as there is one the lanes go on.
#[derive(Clone, Debug)]
pub struct Intake {
    lanes: Arc<[mpsc::Sender<Part>]>,
    budget: Budget,
}

/// The bytes of events that may be in memory; shows how many are, without keeping lanes alive.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    bytes: usize,
    waiting: Arc<AtomicUsize>,
}

/// What was taken is not written within the time allowed, or never will be by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled;

/// The process stops, or a lane has ended: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// An intake of `bytes` for `lanes` lanes, and what each lane reads.
pub fn queue(lanes: usize, bytes: usize) -> (Intake, Vec<Inbox>) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::channel(PARTS)).unzip();
    let intake = Intake {
        lanes: senders.into(),
        budget: Budget {
            permits: Arc::new(Semaphore::new(bytes)),
            bytes,
            waiting: Arc::default(),
        },
    };
    (intake, receivers.into_iter().map(Inbox).collect())
}

/// The lane of an instance, of so many lanes.
pub fn lane_of(instance: &str, lanes: usize) -> usize {
    let hash = FixedState::default().hash_one(instance);
    usize::try_from(hash % lanes as u64).expect("below the number of lanes")
}

impl Intake {
    /// Number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The lane of an instance.
    pub fn lane(&self, instance: &str) -> usize {
        lane_of(instance, self.lanes.len())
    }

    /// The budget of this intake.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Hands the loads, one for each lane, to the lanes. `known` is what is settled already.
    ///
    /// # Errors
    /// [`Closed`] when a lane has ended; the chunk is lost.
    pub async fn submit(
        &self,
        loads: Vec<Load>,
        resent: bool,
        known: Outcome,
        permit: Permit,
    ) -> Result<Receipt, Closed> {
        let (ticket, receipt) = ticket(known, permit.0);
        for (lane, load) in self.lanes.iter().zip(loads) {
            if load.steps.marks.is_empty()
                && load.flows.marks.is_empty()
                && load.registration.is_none()
            {
                continue;
            }
            let part = Part {
                steps: load.steps,
                flows: load.flows,
                reruns: load.reruns,
                registration: load.registration,
                app: load.app,
                resent,
                share: ticket.share(),
            };
            lane.send(part).await.map_err(|_| Closed)?;
        }
        Ok(receipt)
    }

    /// Waits until everything that was submitted of `instance` before this call is written or
    /// refused, for `patience` at most. Takes no room.
    ///
    /// # Errors
    /// [`Unsettled`] when that takes longer, or the process stops.
    pub async fn settled(&self, instance: &str, patience: Duration) -> Result<(), Unsettled> {
        let none = Arc::clone(&self.budget.permits)
            .try_acquire_many_owned(0)
            .map_err(|_| Unsettled)?;
        let (ticket, mut receipt) = ticket(Outcome::default(), none);
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
        let settled = async {
            let lane = &self.lanes[self.lane(instance)];
            lane.send(part).await.map_err(|_| Unsettled)?;
            receipt.answer().await.map_err(|_| Unsettled)
        };
        timeout(patience, settled).await.map_err(|_| Unsettled)??;
        Ok(())
    }
}

impl Budget {
    /// Waits for room for `bytes`, or for all there is when that is less. Cancellation safe; those
    /// who wait are served in order.
    pub async fn room(&self, bytes: usize) -> Permit {
        let waiting = Waiting::new(&self.waiting);
        let wanted = u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits).acquire_many_owned(wanted).await;
        drop(waiting);
        Permit(permit.expect("the budget is never closed"))
    }

    /// Bytes taken and not answered yet.
    pub fn held_bytes(&self) -> usize {
        self.bytes - self.permits.available_permits()
    }

    /// Bytes that may be taken.
    pub fn limit_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether somebody waits for room now.
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Permit {
    /// Gives back what is over `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let held = self.0.num_permits();
        drop(self.0.split(held.saturating_sub(bytes)));
    }
}

/// Counts one that waits, also when it stops waiting by being dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
