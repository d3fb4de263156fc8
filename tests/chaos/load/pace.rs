//! Events a second.

use std::time::Duration;

use tokio::time::Instant;

/// What a client that was held up may make up for.
const BEHIND: Duration = Duration::from_secs(1);

/// When the next chunk is due.
pub(super) struct Pace {
    each: Duration,
    due: Instant,
}

impl Pace {
    /// `rate` events a second.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            each: Duration::from_secs_f64(1.0 / rate),
            due: Instant::now(),
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// So many events were sent.
    pub(super) fn spend(&mut self, events: usize) {
        let events = u32::try_from(events).expect("a chunk's events");
        let least = Instant::now().checked_sub(BEHIND).unwrap_or(self.due);
        self.due = self.due.max(least) + self.each * events;
    }
}
