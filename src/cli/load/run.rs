//! How long a run goes on and how fast, for all connections together.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// How late the runtime's timers are, at most, unless it is busy.
const LATE: Duration = Duration::from_millis(2);

/// What the connections of a run share.
#[derive(Debug)]
pub(super) struct Run {
    /// Events that may still be sent.
    left: AtomicU64,
    until: Option<Instant>,
    stopped: CancellationToken,
    answered: AtomicU64,
}

impl Run {
    /// A run of so many events, of such a time, or both: what comes first ends it.
    pub(super) fn new(events: Option<u64>, duration: Option<Duration>) -> Self {
        Self {
            left: AtomicU64::new(events.unwrap_or(u64::MAX)),
            until: duration.map(|duration| Instant::now() + duration),
            stopped: CancellationToken::new(),
            answered: AtomicU64::new(0),
        }
    }

    /// How many of `most` events may be sent now; 0 when the run is over.
    pub(super) fn take(&self, most: u64) -> u64 {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        if late || self.stopped.is_cancelled() {
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
        self.stopped.cancel();
    }

    /// Events that were answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self, events: u64) {
        self.answered.fetch_add(events, Ordering::Relaxed);
    }

    /// Waits until then, or until the run is over. The runtime's timers are late by a millisecond
    /// or two, which would count as waiting for the ack, so the rest is left to a thread.
    async fn wait_until(&self, due: Instant) {
        let until = self.until.map_or(due, |until| until.min(due));
        let nearly = until.checked_sub(LATE).unwrap_or(until);
        tokio::select! {
            () = tokio::time::sleep_until(nearly.into()) => {}
            () = self.stopped.cancelled() => return,
        }
        let rest = until.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            let slept = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
            slept.expect("a thread sleeps");
        }
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

    /// Waits until it is time to send, or the run is over, and says when that was; none without a
    /// rate. A connection that is late does not wait: what it is late counts as waiting for the ack.
    pub(super) async fn turn(&self, run: &Run) -> Option<Instant> {
        self.every?;
        run.wait_until(self.due).await;
        Some(self.due)
    }

    /// Notes that so many events are sent in this turn.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn used(&mut self, events: u64) {
        if let Some(every) = self.every {
            self.due += Duration::from_secs_f64(every * events as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn no_more_events_are_taken_than_asked_for() {
        let run = Run::new(Some(250), None);
        assert_eq!([200, 200, 200].map(|most| run.take(most)), [200, 50, 0]);
        run.give_back(7);
        assert_eq!([200, 200].map(|most| run.take(most)), [7, 0]);
        run.give_back(7);
        run.stop();
        assert_eq!(run.take(1), 0);
    }

    #[tokio::test]
    async fn connections_take_turns_and_share_the_rate() {
        let run = Run::new(None, None);
        let begun = Instant::now();
        // 20 events/s over two connections in chunks of two: a chunk every 100 ms
        let mut paces = [0, 1].map(|number| Pace::new(Some(20.0), number, 2, 2));
        let mut turns = Vec::new();
        for turn in 0..6 {
            let pace = &mut paces[turn % 2];
            let due = pace.turn(&run).await.expect("a rate");
            pace.used(2);
            turns.push((due - begun).as_millis() / 50);
        }
        assert_eq!(turns, [0, 2, 4, 6, 8, 10]);
        assert_eq!(Pace::new(None, 0, 1, 1).turn(&run).await, None);
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_run_goes_on() {
        let day = 1.0 / 86_400.0;
        let run = Run::new(None, Some(TENTH));
        let mut pace = Pace::new(Some(day), 0, 1, 1);
        pace.used(1);
        pace.turn(&run).await;
        assert_eq!(run.take(1), 0, "its time is over");

        let run = Run::new(None, None);
        let waiting = pace.turn(&run);
        let stopping = async {
            tokio::time::sleep(TENTH).await;
            run.stop();
        };
        tokio::join!(waiting, stopping);
        assert_eq!(run.take(1), 0);
    }
}
