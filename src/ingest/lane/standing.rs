//! Which lanes wait for the database, and why; read by readiness and by the metrics.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// How a lane stands.
#[derive(Clone, Debug, Default)]
struct Lane {
    trouble: Option<Entry>,
    /// Its live batches go to the spool without trying.
    spooling: bool,
}

/// The troubles of all lanes.
#[derive(Debug)]
pub struct Standing {
    lanes: Mutex<Vec<Lane>>,
}

/// Whether a lane's live batches go to the spool without trying.
#[derive(Debug)]
pub(super) struct Course {
    lane: usize,
    standing: Arc<Standing>,
}

impl Course {
    /// That of a lane; straight to the database at first.
    pub fn of(lane: usize, standing: Arc<Standing>) -> Self {
        Self { lane, standing }
    }

    /// Whether they do.
    pub fn is_spooling(&self) -> bool {
        self.standing.lock()[self.lane].spooling
    }

    /// Whether they do from now on.
    pub fn spool(&self, spooling: bool) {
        self.standing.lock()[self.lane].spooling = spooling;
    }

    /// What the spool gave back is committed: every lane goes straight to the database again. What
    /// another one brought into the spool may have come back to this one, and nothing else may come
    /// to that.
    pub fn drained(&self) {
        for (lane, standing) in self.standing.lock().iter_mut().enumerate() {
            if std::mem::take(&mut standing.spooling) {
                standing.clear(lane);
            }
        }
    }
}

impl Lane {
    fn clear(&mut self, lane: usize) {
        if let Some(entry) = self.trouble.take() {
            let after_s = entry.since.elapsed().as_secs_f32();
            tracing::info!(lane, after_s, "writing again");
        }
    }
}

impl Standing {
    /// For so many lanes, none in trouble.
    pub fn new(lanes: usize) -> Self {
        Self {
            lanes: Mutex::new(vec![Lane::default(); lanes]),
        }
    }

    /// The longest trouble of a lane, if any is in trouble.
    pub fn trouble(&self) -> Option<Trouble> {
        let lanes = self.lock();
        let troubles = lanes.iter().filter_map(|lane| lane.trouble.as_ref());
        let longest = troubles.min_by_key(|entry| entry.since);
        longest.map(|entry| entry.trouble.clone())
    }

    /// Lanes that wait for the database.
    pub fn waiting(&self) -> usize {
        let lanes = self.lock();
        lanes.iter().filter(|lane| lane.trouble.is_some()).count()
    }

    /// Lanes whose live batches go to the spool.
    pub fn spooling(&self) -> usize {
        self.lock().iter().filter(|lane| lane.spooling).count()
    }

    /// The lane met `failure`; logged when it is new, and now and then while it goes on.
    pub(super) fn report(&self, lane: usize, failure: &Failure, remedy: Option<&'static str>) {
        let trouble = Trouble {
            class: failure.class(),
            remedy,
        };
        let now = Instant::now();
        let mut lanes = self.lock();
        let entry = &mut lanes[lane].trouble;
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
        self.lock()[lane].clear(lane);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_spool_gives_back_to_one_lane_clears_those_that_spool() {
        let standing = Arc::new(Standing::new(3));
        let courses = [0, 1, 2].map(|lane| Course::of(lane, Arc::clone(&standing)));
        let silence = Failure::Silence(Duration::from_secs(1));
        for lane in [0, 2] {
            standing.report(lane, &silence, None);
        }
        courses[0].spool(true);
        assert_eq!((standing.waiting(), standing.spooling()), (2, 1));
        assert!(courses[0].is_spooling() && !courses[2].is_spooling());
        courses[1].drained();
        assert!(!courses[0].is_spooling());
        assert_eq!((standing.waiting(), standing.spooling()), (1, 0));
        assert!(standing.trouble().is_some(), "one has its batch in hand");
        standing.clear(2);
        assert_eq!(standing.trouble(), None);
    }
}
