//! How long a run goes on and how fast, for all connections together.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// What the connections of a run share.
#[derive(Debug)]
pub(super) struct Run {
    /// Events that may still be sent.
    left: AtomicU64,
    until: Option<Instant>,
    stopped: AtomicBool,
    answered: AtomicU64,
}

impl Run {
    /// A run of so many events, of such a time, or both: what comes first ends it.
    pub(super) fn new(events: Option<u64>, duration: Option<Duration>) -> Self {
        Self {
            left: AtomicU64::new(events.unwrap_or(u64::MAX)),
            until: duration.map(|duration| Instant::now() + duration),
            stopped: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        }
    }

    /// How many of `most` events may be sent now; 0 when the run is over.
    pub(super) fn take(&self, most: u64) -> u64 {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        if late || self.stopped.load(Ordering::Relaxed) {
            return 0;
        }
        let take = |left: u64| Some(left - most.min(left));
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.map_or(0, |left| most.min(left))
    }

    /// Some of them were not sent.
    pub(super) fn give_back(&self, events: u64) {
        if events > 0 {
            self.left.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Nothing more is to be sent.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Events that were answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self, events: u64) {
        self.answered.fetch_add(events, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The speed of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds from one event to the next; none for as fast as acks allow.
    every: Option<f64>,
    due: Instant,
}

impl Pace {
    /// The share of `rate` events a second that connection `number` of so many has; they begin one
    /// after the other.
    pub(super) fn new(rate: Option<f64>, number: usize, connections: usize, chunk: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let every = rate.map(|rate| connections as f64 / rate);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let offset = every.map_or(0.0, |every| {
            every * chunk as f64 * number as f64 / connections as f64
        });
        Self {
            every,
            due: Instant::now() + Duration::from_secs_f64(offset),
        }
    }

    /// Waits until it is time for the next `events`, and says when that was; none without a rate. A
    /// connection that is late does not wait: what it is late counts as waiting for the ack.
    pub(super) async fn turn(&mut self, run: &Run, events: u64) -> Option<Instant> {
        let every = self.every?;
        let due = self.due;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let after = Duration::from_secs_f64(every * events as f64);
        self.due = due + after;
        if !run.is_over() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some(due)
    }
}
