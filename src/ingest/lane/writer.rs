//! What writes a batch: it tries until each row is committed or refused by itself, or until it is
//! told to leave it.

use std::{ops::Range, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, timeout_at};

use super::{
    Options,
    batch::{Batch, Fate},
    bisect::Bisect,
    failure::Failure,
    line::Line,
    write::{Way, Written},
};
use crate::pg::Retry;

/// Batches a lane stays with the staged way after a duplicate: a failed COPY leaves dead rows.
const STAGED_BATCHES: u32 = 100;
/// How often a batch is tried again at once after a deadlock: two writers that lock the same
/// instances in different orders are through when one of them begins anew.
const DEADLOCKS: usize = 3;
/// How long the registration of apps may take, and how long a failed one is not tried again.
const REGISTRATION: Duration = Duration::from_secs(1);
/// The first pause between two tries; nothing is tried again when less is left until a deadline.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries; chance makes it up to twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// When a batch is left although some of its rows are not decided.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Never.
    Decided,
    /// At this time, whatever is under way.
    Deadline(Instant),
    /// When a try has failed.
    Failure,
}

/// A lane's way to the tables.
#[derive(Debug)]
pub struct Writer {
    number: usize,
    options: Options,
    line: Line,
    staged_batches: u32,
    /// As many batches whose starts and ends are staged, after an instance began that was there.
    staged_flows: u32,
    pauses: ExponentialBackoff,
    /// No app is registered before.
    register_from: Instant,
}

impl Writer {
    /// The way of lane `number`.
    pub fn new(number: usize, options: Options) -> Self {
        let line = Line::new(
            number,
            options.connector.clone(),
            options.database.clone(),
            options.origin,
        );
        Self {
            number,
            options,
            line,
            staged_batches: 0,
            staged_flows: 0,
            pauses: pauses(),
            register_from: Instant::now(),
        }
    }

    /// Writes the rows that `work` still has; true when each is committed or refused. Dropping it
    /// drops the connection when a transaction is under way, whose outcome is then unknown.
    pub async fn store(&mut self, batch: &mut Batch, work: &mut Bisect, until: Until) -> bool {
        let began = Instant::now();
        while let Some(rows) = work.next() {
            let attempt = self.attempt(batch, &rows);
            let outcome = match until {
                Until::Deadline(deadline) => timeout_at(deadline, attempt)
                    .await
                    .unwrap_or_else(|_| Err(Failure::Silence(deadline - began))),
                Until::Decided | Until::Failure => attempt.await,
            };
            match outcome {
                Ok(written) => {
                    for (row, fate) in written.fates {
                        batch.note(row, fate);
                    }
                    work.stored();
                    self.pauses = pauses();
                    self.options.standing.clear(self.number);
                }
                Err(failure) => {
                    self.options.metrics.failed(failure.class());
                    if let Some(advice) = work.failed(rows, &failure.verdict())
                        && self.leaves(&failure, advice, until).await
                    {
                        return false;
                    }
                }
            }
        }
        for (row, cause) in work.refused() {
            batch.note(*row, Fate::Refused(cause.code.clone()));
        }
        self.options.metrics.flushed(batch.rows(), began.elapsed());
        true
    }

    /// Says what is wrong, once for each trouble, and waits before the next try; true when there is
    /// to be none.
    async fn leaves(&mut self, failure: &Failure, advice: Retry, until: Until) -> bool {
        let remedy = match advice {
            Retry::AfterFix(remedy) => Some(remedy),
            Retry::Backoff | Retry::Never => None,
        };
        self.options.standing.report(self.number, failure, remedy);
        let mut pause = self.pauses.next().unwrap_or(PAUSE);
        if let Until::Deadline(deadline) = until {
            let left = deadline.saturating_duration_since(Instant::now());
            if left <= SHORTEST_PAUSE {
                return true;
            }
            // Until the deadline it is tried, however long the pauses have become.
            pause = pause.min(left / 2);
        }
        self.options.connector.pause(pause).await;
        matches!(until, Until::Failure)
    }

    /// Writes `rows` in one transaction, the optimistic way when nothing speaks against it, and the
    /// staged way at once when that meets a duplicate: an instance that begins anew stages starts and
    /// ends alone.
    async fn attempt(&mut self, batch: &Batch, rows: &Range<usize>) -> Result<Written, Failure> {
        while self.staged_batches == 0 && !batch.resent() {
            let way = match self.staged_flows {
                0 => Way::Optimistic,
                _ => Way::OptimisticSteps,
            };
            match self.line.write(batch, rows, way).await {
                Err(failure) if failure.conflict() => {
                    if way == Way::Optimistic && failure.is_of("flowstate") {
                        self.staged_flows = STAGED_BATCHES;
                    } else {
                        self.staged_batches = STAGED_BATCHES;
                    }
                }
                outcome => {
                    self.staged_flows = self.staged_flows.saturating_sub(1);
                    return outcome;
                }
            }
        }
        let mut outcome = self.line.write(batch, rows, Way::Staged).await;
        for _ in 0..DEADLOCKS {
            if !matches!(&outcome, Err(failure) if failure.deadlock()) {
                break;
            }
            outcome = self.line.write(batch, rows, Way::Staged).await;
        }
        let written = outcome?;
        self.staged_batches = match self.staged_batches {
            0 => 0,
            _ if written.conflicts => STAGED_BATCHES,
            left => left - 1,
        };
        Ok(written)
    }

    /// Makes rows for apps that have none. Without a second try: it must not hold up events, and a
    /// later chunk of such an app asks again.
    pub async fn register(&mut self, batch: &Batch) {
        let apps = batch.registrations();
        if apps.is_empty() || Instant::now() < self.register_from {
            return;
        }
        match self.line.register(&apps, REGISTRATION).await {
            Ok(()) => {
                for app in apps {
                    self.options.toggles.registered(&app.user, &app.app);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "apps were not registered");
                self.register_from = Instant::now() + REGISTRATION;
            }
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
