//! Which lanes wait for the database, and why; read by readiness and by the metrics.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::failure::Failure;

/// How often a trouble that goes on is said again.
const REMINDER: Duration = Duration::from_secs(30);

/// What a lane waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The class of the failure, as in the metrics.
    pub class: &'static str,
    /// What an operator can do, when it is theirs to do.
    pub remedy: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Entry {
    trouble: Trouble,
    since: Instant,
    said: Instant,
}

/// The troubles of all lanes.
#[derive(Debug)]
pub struct Standing {
    lanes: Mutex<Vec<Option<Entry>>>,
    spooling: AtomicUsize,
}

/// Whether a lane's live batches go to the spool without trying, counted over all lanes.
#[derive(Debug)]
pub(super) struct Course {
    spooling: bool,
    standing: Arc<Standing>,
}

impl Course {
    /// Straight to the database.
    pub fn direct(standing: Arc<Standing>) -> Self {
        Self {
            spooling: false,
            standing,
        }
    }

    /// Whether they do.
    pub fn is_spooling(&self) -> bool {
        self.spooling
    }

    /// Whether no lane is in trouble, and no lane's live batches go to the spool.
    pub fn all_direct(&self) -> bool {
        self.standing.spooling() == 0 && self.standing.waiting() == 0
    }

    /// Whether they do from now on.
    pub fn spool(&mut self, spooling: bool) {
        match (self.spooling, spooling) {
            (false, true) => self.standing.spooling.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.standing.spooling.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
        self.spooling = spooling;
    }
}

impl Standing {
    /// For so many lanes, none in trouble.
    pub fn new(lanes: usize) -> Self {
        Self {
            lanes: Mutex::new(vec![None; lanes]),
            spooling: AtomicUsize::new(0),
        }
    }

    /// The longest trouble of a lane, if any is in trouble.
    pub fn trouble(&self) -> Option<Trouble> {
        let lanes = self.lock();
        let longest = lanes.iter().flatten().min_by_key(|entry| entry.since);
        longest.map(|entry| entry.trouble.clone())
    }

    /// Lanes that wait for the database.
    pub fn waiting(&self) -> usize {
        self.lock().iter().flatten().count()
    }

    /// Lanes whose live batches go to the spool.
    pub fn spooling(&self) -> usize {
        self.spooling.load(Ordering::Relaxed)
    }

    /// The lane met `failure`; logged when it is new, and now and then while it goes on.
    pub(super) fn report(&self, lane: usize, failure: &Failure, remedy: Option<&'static str>) {
        let trouble = Trouble {
            class: failure.class(),
            remedy,
        };
        let now = Instant::now();
        let mut lanes = self.lock();
        let entry = &mut lanes[lane];
        let known = entry.as_ref().filter(|known| known.trouble == trouble);
        let (since, said) = known.map_or((now, None), |known| (known.since, Some(known.said)));
        let due = said.is_none_or(|said| said.elapsed() >= REMINDER);
        if due {
            let waiting_s = since.elapsed().as_secs();
            let remedy = remedy.unwrap_or("events are kept and written when it is back");
            tracing::warn!(
                lane,
                class = trouble.class,
                waiting_s,
                "cannot write: {failure}; {remedy}"
            );
        }
        let said = said.filter(|_| !due).unwrap_or(now);
        *entry = Some(Entry {
            trouble,
            since,
            said,
        });
    }

    /// The lane writes again.
    pub(super) fn clear(&self, lane: usize) {
        if let Some(entry) = self.lock()[lane].take() {
            let after_s = entry.since.elapsed().as_secs_f32();
            tracing::info!(lane, after_s, "writing again");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Entry>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
