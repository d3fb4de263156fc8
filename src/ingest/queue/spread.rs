//! Among how many of the lanes parts are spread: as few as the load needs.
//!
//! A batch costs a transaction whatever is in it. While batches are small, or lanes wait for parts, one
//! lane writes the same rows in half the transactions of two, with less work for everybody. So lanes
//! leave by what batches weigh, each by the share of time in which its lane was busy; and another one
//! joins as soon as more waits for lanes than each of them should have.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes that weigh as much as a row does by itself.
const ROW: usize = 1 << 10;
/// With less on the mean a lane leaves.
const LIGHT: f64 = 100.0 * 1024.0;
/// The part that a batch has in the mean.
const SHARE: f64 = 1.0 / 16.0;
/// When more than this waits for each lane another one joins: some 400 small rows, which take a lane 5 ms.
/// Who joins waits for the others to write that.
const HEAVY: usize = 640 * ROW;

/// Among how many lanes parts are to be spread; all of them at first.
#[derive(Clone, Debug)]
pub struct Spread(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lanes: usize,
    among: AtomicUsize,
    /// What all that waits for lanes weighs.
    waiting: AtomicUsize,
    /// What batches weigh since the last change.
    mean: Mutex<f64>,
}

impl Spread {
    /// Among `lanes` lanes at most.
    pub fn new(lanes: usize) -> Self {
        Self(Arc::new(Shared {
            lanes,
            among: AtomicUsize::new(lanes),
            waiting: AtomicUsize::new(0),
            mean: Mutex::new(2.0 * LIGHT),
        }))
    }

    /// Among how many, the first ones.
    pub fn among(&self) -> usize {
        self.0.among.load(Ordering::Relaxed)
    }

    /// More waits for lanes.
    pub(super) fn came(&self, weight: usize) {
        let waiting = self.0.waiting.fetch_add(weight, Ordering::Relaxed) + weight;
        let among = self.among();
        if among < self.0.lanes && waiting > among * HEAVY {
            self.change(&mut self.mean(), among + 1);
        }
    }

    /// Some of it went to a lane.
    pub(super) fn went(&self, weight: usize) {
        self.0.waiting.fetch_sub(weight, Ordering::Relaxed);
    }

    /// A lane wrote a batch of so many rows and bytes, and was busy with it for this part of the time
    /// since its last one.
    pub fn wrote(&self, rows: usize, bytes: usize, busy: f64) {
        let mut mean = self.mean();
        let weight = u32::try_from(weight(rows, bytes)).unwrap_or(u32::MAX);
        *mean += (f64::from(weight) * busy - *mean) * SHARE;
        let among = self.among();
        if among > 1 && *mean < LIGHT {
            self.change(&mut mean, among - 1);
        }
    }

    fn change(&self, mean: &mut f64, among: usize) {
        *mean = 2.0 * LIGHT;
        self.0.among.store(among, Ordering::Relaxed);
    }

    fn mean(&self) -> MutexGuard<'_, f64> {
        self.0.mean.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What so many rows of so many bytes weigh.
pub(super) fn weight(rows: usize, bytes: usize) -> usize {
    rows * ROW + bytes
}

/// Where all lanes meet: none goes on before each of them is through with what it was given before.
/// A lane that is gone is through.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// The last one opens it.
    arrival: Option<Arc<DropGuard>>,
    open: CancellationToken,
}

impl Gate {
    /// One gate; each lane gets a clone.
    pub fn new() -> Self {
        let open = CancellationToken::new();
        Self {
            arrival: Some(Arc::new(open.clone().drop_guard())),
            open,
        }
    }

    /// The lane is there. What it answers is cancelled when all are.
    pub fn arrive(&mut self) -> CancellationToken {
        self.arrival = None;
        self.open.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Among how many after 100 batches of `rows` rows of `bytes` bytes, by a lane that is so busy.
    fn after(spread: &Spread, rows: usize, bytes: usize, busy: f64) -> usize {
        for _ in 0..100 {
            spread.wrote(rows, rows * bytes, busy);
        }
        spread.among()
    }

    #[test]
    fn lanes_leave_when_batches_are_light_or_lanes_wait() {
        let spread = Spread::new(4);
        assert_eq!(spread.among(), 4);
        assert_eq!(after(&spread, 3_000, 600, 1.0), 4);
        assert_eq!(after(&spread, 100, 600, 1.0), 4);
        // few rows, but large ones
        assert_eq!(after(&spread, 5, 32 << 10, 1.0), 4);
        assert_eq!(after(&spread, 20, 600, 1.0), 1);
        assert_eq!(after(&Spread::new(4), 200, 600, 0.25), 1);
        assert_eq!(after(&Spread::new(1), 0, 0, 0.0), 1);
    }

    #[test]
    fn lanes_join_when_much_waits() {
        let spread = Spread::new(3);
        after(&spread, 20, 600, 1.0);
        spread.came(HEAVY);
        assert_eq!(spread.among(), 1);
        spread.came(1);
        assert_eq!(spread.among(), 2);
        spread.came(HEAVY - 1);
        assert_eq!(spread.among(), 2, "that is half of it for each");
        spread.came(1);
        assert_eq!(spread.among(), 3);
        spread.came(64 * HEAVY);
        assert_eq!(spread.among(), 3, "there are no more");

        after(&spread, 20, 600, 1.0);
        spread.went(66 * HEAVY + 1);
        spread.came(HEAVY);
        assert_eq!(spread.among(), 1, "the others went");
    }
}
