//! Among how many of the lanes parts are spread: as few as the load needs.
//!
//! A batch costs a transaction whatever is in it. While batches are small, or lanes wait for parts, one
//! lane writes the same rows in half the transactions of two, with less work for everybody. Where batches
//! are large and follow each other another lane works meanwhile. So lanes join and leave by what
//! batches weigh, each by the share of time in which its lane was busy.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes that weigh as much as a row does by itself.
const ROW: usize = 1 << 10;
/// With less on the mean a lane leaves; with more another one joins. Whoever leaves makes the others'
/// batches twice as heavy at most, and them a little busier, which is less than more.
const LIGHT: f64 = 100.0;
const HEAVY: f64 = 300.0;
/// The part that a batch has in the mean.
const SHARE: f64 = 1.0 / 16.0;

/// Among how many lanes parts are to be spread; all of them at first.
#[derive(Clone, Debug)]
pub struct Spread(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lanes: usize,
    among: AtomicUsize,
    mean: Mutex<f64>,
}

impl Spread {
    /// Among `lanes` lanes at most.
    pub fn new(lanes: usize) -> Self {
        Self(Arc::new(Shared {
            lanes,
            among: AtomicUsize::new(lanes),
            mean: Mutex::new(between()),
        }))
    }

    /// Among how many, the first ones.
    pub fn among(&self) -> usize {
        self.0.among.load(Ordering::Relaxed)
    }

    /// A lane wrote a batch of so many rows and bytes, and was busy with it for this part of the time
    /// since its last one.
    pub fn wrote(&self, rows: usize, bytes: usize, busy: f64) {
        let mut mean = self.0.mean.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = u32::try_from(rows + bytes / ROW).unwrap_or(u32::MAX);
        *mean += (f64::from(weight) * busy - *mean) * SHARE;
        let among = self.among();
        let next = match *mean {
            light if light < LIGHT => among.saturating_sub(1).max(1),
            heavy if heavy > HEAVY => (among + 1).min(self.0.lanes),
            _ => among,
        };
        if next != among {
            *mean = between();
            self.0.among.store(next, Ordering::Relaxed);
        }
    }
}

/// As far from light as from heavy.
fn between() -> f64 {
    (LIGHT * HEAVY).sqrt()
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

    /// Among how many after 100 batches of `rows` rows of `bytes` bytes, one after the other.
    fn after(spread: &Spread, rows: usize, bytes: usize) -> usize {
        for _ in 0..100 {
            spread.wrote(rows, rows * bytes, 1.0);
        }
        spread.among()
    }

    #[test]
    fn a_light_load_goes_to_one_lane_and_a_heavy_one_to_all() {
        let spread = Spread::new(4);
        assert_eq!(spread.among(), 4);
        assert_eq!(after(&spread, 20, 600), 1);
        assert_eq!(after(&spread, 3_000, 600), 4);
        // few rows, but large ones
        assert_eq!(after(&spread, 20, 600), 1);
        assert_eq!(after(&spread, 20, 32 << 10), 4);
        let alone = Spread::new(1);
        assert_eq!(after(&alone, 3_000, 600), 1);
        assert_eq!(after(&alone, 0, 0), 1);
    }

    #[test]
    fn between_light_and_heavy_nothing_changes() {
        let spread = Spread::new(4);
        for rows in [70, 120, 180] {
            assert_eq!(after(&spread, rows, 600), 4, "{rows}");
        }
        after(&spread, 20, 600);
        for rows in [180, 120, 70] {
            assert_eq!(after(&spread, rows, 600), 1, "{rows}");
        }
    }

    #[test]
    fn lanes_that_wait_for_parts_leave() {
        let spread = Spread::new(2);
        for _ in 0..100 {
            spread.wrote(150, 0, 0.3);
        }
        assert_eq!(spread.among(), 1);
        for _ in 0..100 {
            spread.wrote(300, 0, 0.5);
        }
        assert_eq!(spread.among(), 1);
    }

    #[test]
    fn who_joined_does_not_leave_for_that() {
        // as much for all together as is a little too much for one
        let spread = Spread::new(2);
        after(&spread, 20, 600);
        for _ in 0..1_000 {
            let rows = 220 / spread.among();
            spread.wrote(rows, rows * 600, 1.0);
        }
        assert_eq!(spread.among(), 2);
    }
}
