//! What was answered, and after how long.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::flows::Flows;

/// The longest wait that is told apart, in µs.
const LONGEST: u64 = 600_000_000;

/// Answers of one connection, or of all.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Events that were answered, those that were sent again too.
    pub(super) events: u64,
    /// Encoded bytes of these events.
    pub(super) bytes: u64,
    pub(super) recorded: u64,
    pub(super) skipped: u64,
    pub(super) superseded: u64,
    /// Rejected, or answered with another status than 200.
    pub(super) refused: u64,
    /// Rows that there have to be when everything was taken.
    pub(super) steps: u64,
    pub(super) flows: u64,
    /// µs to the ack, one for each event.
    waits: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            events: 0,
            bytes: 0,
            recorded: 0,
            skipped: 0,
            superseded: 0,
            refused: 0,
            steps: 0,
            flows: 0,
            waits: Histogram::new_with_max(LONGEST, 3).expect("bounds that make sense"),
        }
    }

    /// Notes that `events` of `bytes` were answered after `wait`.
    pub(super) fn answered(&mut self, events: u64, bytes: u64, wait: Duration) {
        self.events += events;
        self.bytes += bytes;
        let micros = u64::try_from(wait.as_micros()).unwrap_or(LONGEST);
        self.waits.saturating_record_n(micros.max(1), events);
    }

    /// Notes what a connection has sent.
    pub(super) fn made(&mut self, flows: &Flows) {
        let (steps, begun) = flows.made();
        self.steps += steps;
        self.flows += begun;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.recorded += other.recorded;
        self.skipped += other.skipped;
        self.superseded += other.superseded;
        self.refused += other.refused;
        self.steps += other.steps;
        self.flows += other.flows;
        self.waits.add(&other.waits).expect("the same bounds");
    }

    /// The wait, in ms, that this share of the events did not exceed.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn wait_ms(&self, share: f64) -> f64 {
        self.waits.value_at_quantile(share) as f64 / 1e3
    }
}
