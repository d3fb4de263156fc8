//! A lane: one loop with one connection of its own that turns parts into committed transactions.
//!
//! Take what is there, fill up to rows, bytes or linger, write one transaction, settle. With linger
//! 0 batches grow by themselves when the database slows: group commit. A batch stays in hand until
//! each of its rows is committed or refused by itself; a database that is away is waited for.
//!
//! - Nothing is settled before its COMMIT was answered; an unknown outcome is written again, which
//!   the merge makes harmless.
//! - A batch that the database refuses is halved until the row at fault stands alone. When more than
//!   [`bisect::TOLERATED`] rows fall for the same cause, or when no row could pass, the table is at fault:
//!   nothing is refused, the batch waits for an operator.
//! - The lane ends when its channel is closed and empty.
//!
//! Not here: the order of events, which nobody needs (the merge is order-blind); the place where a
//! batch goes when the database stays away, which would stand beside [`write::write`] in
//! [`Lane::attempt`].

mod apps;
pub(super) mod attempts;
mod batch;
mod bisect;
mod copy;
mod failure;
mod line;
pub(super) mod reruns;
mod session;
mod standing;
mod tell;
mod write;

use std::{ops::Range, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, timeout_at};

use batch::{Batch, Fate};
use bisect::Bisect;
use failure::Failure;
use line::Line;
use write::{Way, Written};

pub use standing::{Standing, Trouble};
pub use tell::Tell;

use super::{metrics::Metrics, queue::Inbox};
use crate::{
    config,
    control::Toggles,
    pg::{Connector, Retry},
};

/// Batches a lane stays with the staged way after a duplicate: a failed COPY leaves dead rows.
const STAGED_BATCHES: u32 = 100;
/// How often a batch is tried again at once after a deadlock: two writers that lock the same
/// instances in different orders are through when one of them begins anew.
const DEADLOCKS: usize = 3;
/// How long the registration of apps may take, and how long a failed one is not tried again.
const REGISTRATION: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(5);

/// What lanes are made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How they reach the database.
    pub connector: Connector,
    /// Limits of a batch.
    pub ingest: config::Ingest,
    /// Timeouts.
    pub database: config::Database,
    /// Where registered apps are noted.
    pub toggles: Toggles,
    /// What is counted.
    pub metrics: Metrics,
    /// Where trouble is shown.
    pub standing: Arc<Standing>,
    /// Who is told what was committed.
    pub tell: Tell,
}

/// One writer.
#[derive(Debug)]
pub struct Lane {
    number: usize,
    parts: Inbox,
    options: Options,
    line: Line,
    staged_batches: u32,
    /// No app is registered before.
    register_from: Instant,
}

impl Lane {
    /// Lane `number`, which writes what comes through `parts`.
    pub fn new(number: usize, parts: Inbox, options: Options) -> Self {
        let line = Line::new(number, options.connector.clone(), options.database.clone());
        Self {
            number,
            parts,
            options,
            line,
            staged_batches: 0,
            register_from: Instant::now(),
        }
    }

    /// Writes until the channel is closed and empty. Dropping it loses what is in hand; the senders
    /// are told so.
    pub async fn run(mut self) {
        while let Some(part) = self.parts.recv().await {
            let mut batch = Batch::default();
            batch.push(part);
            self.fill(&mut batch).await;
            if batch.rows() > 0 {
                self.store(&mut batch).await;
                self.options.tell.committed(&batch);
            }
            self.register(&batch).await;
            batch.settle();
        }
    }

    /// Takes what is there, and waits for more as long as the linger allows.
    async fn fill(&mut self, batch: &mut Batch) {
        let limits = &self.options.ingest;
        let deadline = Instant::now() + limits.linger;
        while batch.rows() < self.parts.fair(limits.batch_rows)
            && batch.bytes() < self.parts.fair(limits.batch_bytes)
        {
            let part = match self.parts.try_recv() {
                Some(part) => part,
                None if limits.linger.is_zero() => return,
                None => match timeout_at(deadline, self.parts.recv()).await {
                    Ok(Some(part)) => part,
                    Ok(None) | Err(_) => return,
                },
            };
            batch.push(part);
        }
    }

    /// Returns when every row is committed or refused by itself.
    async fn store(&mut self, batch: &mut Batch) {
        let began = Instant::now();
        let mut bisect = Bisect::new(batch.rows());
        let mut pauses = pauses();
        while let Some(rows) = bisect.next() {
            match self.attempt(batch, &rows).await {
                Ok(written) => {
                    for (row, fate) in written.fates {
                        batch.note(row, fate);
                    }
                    bisect.stored();
                    pauses = self::pauses();
                    self.options.standing.clear(self.number);
                }
                Err(failure) => {
                    self.options.metrics.failed(failure.class());
                    if let Some(advice) = bisect.failed(rows, &failure.verdict()) {
                        self.wait(&failure, advice, &mut pauses).await;
                    }
                }
            }
        }
        for (row, cause) in bisect.refused() {
            batch.note(row, Fate::Refused(cause.code));
        }
        self.options.metrics.flushed(batch.rows(), began.elapsed());
        self.parts.took(began.elapsed());
    }

    /// Says what is wrong, once for each trouble, and waits before the next try.
    async fn wait(&self, failure: &Failure, advice: Retry, pauses: &mut ExponentialBackoff) {
        let remedy = match advice {
            Retry::AfterFix(remedy) => Some(remedy),
            Retry::Backoff | Retry::Never => None,
        };
        self.options.standing.report(self.number, failure, remedy);
        tokio::time::sleep(pauses.next().unwrap_or(PAUSE)).await;
    }

    /// Writes `rows` in one transaction, the optimistic way when nothing speaks against it, and the
    /// staged way at once when that meets a duplicate.
    async fn attempt(&mut self, batch: &Batch, rows: &Range<usize>) -> Result<Written, Failure> {
        if self.staged_batches == 0 && !batch.resent() {
            match self.line.write(batch, rows, Way::Optimistic).await {
                Err(failure) if failure.conflict() => self.staged_batches = STAGED_BATCHES,
                outcome => return outcome,
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
    async fn register(&mut self, batch: &Batch) {
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
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
