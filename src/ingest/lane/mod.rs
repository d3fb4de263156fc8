//! A lane: one loop with one connection of its own that turns parts into committed transactions.
//!
//! Take what is there, fill up to rows, bytes or linger, write one transaction, settle. With linger
//! 0 batches grow by themselves when the database slows: group commit. A batch stays in hand until
//! each of its rows is committed or refused by itself; a database that is away is waited for.
//!
//! - Nothing is settled before its COMMIT was answered; an unknown outcome is written again, which
//!   the merge makes harmless.
//! - A batch that the database refuses is halved until the row at fault stands alone. When more than
//!   [`TOLERATED`] rows fall for the same cause the table is at fault: nothing is refused, the batch
//!   waits for an operator.
//! - The lane ends when its channel is closed and empty.
//!
//! Not here: the order of events, which nobody needs (the merge is order-blind); the place where a
//! batch goes when the database stays away, which would stand beside [`write::write`] in
//! [`Lane::attempt`].

pub(super) mod attempts;
mod batch;
mod copy;
mod failure;
pub(super) mod reruns;
mod session;
mod standing;
mod write;

use std::{ops::Range, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::types::Type;

use batch::{Batch, Fate};
use failure::{Cause, Failure};
use session::{Backend, Session};
use write::{Way, Written, write};

pub use standing::{Standing, Trouble};

use super::{metrics::Metrics, queue::Part};
use crate::{
    config,
    control::Toggles,
    pg::{Connector, Retry},
};

/// Rows of a batch that may be refused for one cause before the table is held to be at fault.
const TOLERATED: usize = 8;
/// Batches a lane stays with the staged way after a duplicate: a failed COPY leaves dead rows.
const STAGED_BATCHES: u32 = 100;
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
}

/// One writer.
#[derive(Debug)]
pub struct Lane {
    number: usize,
    parts: mpsc::Receiver<Part>,
    options: Options,
    session: Option<Session>,
    /// Of the last session, which may outlive its line.
    backend: Option<Backend>,
    staged_batches: u32,
}

impl Lane {
    /// Lane `number`, which writes what comes through `parts`.
    pub fn new(number: usize, parts: mpsc::Receiver<Part>, options: Options) -> Self {
        Self {
            number,
            parts,
            options,
            session: None,
            backend: None,
            staged_batches: 0,
        }
    }

    /// Writes until the channel is closed and empty. Dropping it loses what is in hand; the senders
    /// are told so.
    pub async fn run(mut self) {
        while let Some(part) = self.parts.recv().await {
            let mut batch = Batch::default();
            batch.push(part);
            self.fill(&mut batch).await;
            self.store(&mut batch).await;
            self.register(&batch).await;
            batch.settle();
        }
    }

    /// Takes what is there, and waits for more as long as the linger allows.
    async fn fill(&mut self, batch: &mut Batch) {
        let limits = &self.options.ingest;
        let deadline = Instant::now() + limits.linger;
        while batch.rows() < limits.batch_rows && batch.bytes() < limits.batch_bytes {
            let part = match self.parts.try_recv() {
                Ok(part) => part,
                Err(_) if limits.linger.is_zero() => return,
                Err(_) => match timeout_at(deadline, self.parts.recv()).await {
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
        let everything = 0..batch.rows();
        let mut todo = vec![everything];
        let mut refused: Vec<(usize, Cause)> = Vec::new();
        let mut at_fault: Option<Cause> = None;
        let mut pauses = pauses();
        while let Some(rows) = todo.pop() {
            if rows.is_empty() {
                continue;
            }
            let failure = match self.attempt(batch, &rows).await {
                Ok(written) => {
                    for (row, fate) in written.fates {
                        batch.note(row, fate);
                    }
                    at_fault = None;
                    pauses = self::pauses();
                    self.options.standing.clear(self.number);
                    continue;
                }
                Err(failure) => failure,
            };
            self.options.metrics.failed(failure.class());
            let mut advice = failure.retry();
            if advice == Retry::Never {
                let cause = failure.cause();
                if at_fault.as_ref() == Some(&cause) {
                    advice = TABLE_AT_FAULT;
                } else if rows.len() > 1 {
                    let middle = rows.start + rows.len() / 2;
                    todo.push(middle..rows.end);
                    todo.push(rows.start..middle);
                    continue;
                } else {
                    tracing::warn!(
                        code = cause.code,
                        constraint = cause.constraint,
                        "the database refuses a row"
                    );
                    refused.push((rows.start, cause.clone()));
                    if refused.iter().filter(|(_, other)| *other == cause).count() <= TOLERATED {
                        continue;
                    }
                    let (innocent, guilty) =
                        refused.into_iter().partition(|(_, other)| *other != cause);
                    refused = innocent;
                    let guilty: Vec<(usize, Cause)> = guilty;
                    todo.extend(guilty.iter().map(|(row, _)| *row..*row + 1));
                    at_fault = Some(cause);
                    self.wait(&failure, TABLE_AT_FAULT, &mut pauses).await;
                    continue;
                }
            }
            if failure.took_too_long() && rows.len() > 1 {
                let middle = rows.start + rows.len() / 2;
                todo.push(middle..rows.end);
                todo.push(rows.start..middle);
            } else {
                todo.push(rows);
            }
            self.wait(&failure, advice, &mut pauses).await;
        }
        for (row, cause) in refused {
            batch.note(row, Fate::Refused(cause.code));
        }
        self.options.metrics.flushed(batch.rows(), began.elapsed());
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
            match self.transact(batch, rows, Way::Optimistic).await {
                Err(failure) if failure.conflict() => self.staged_batches = STAGED_BATCHES,
                outcome => return outcome,
            }
        }
        let written = self.transact(batch, rows, Way::Staged).await?;
        self.staged_batches = match self.staged_batches {
            0 => 0,
            _ if written.conflicts => STAGED_BATCHES,
            left => left - 1,
        };
        Ok(written)
    }

    /// One transaction, within the time two statements may take; a session that failed in a way it
    /// cannot recover from is dropped.
    async fn transact(
        &mut self,
        batch: &Batch,
        rows: &Range<usize>,
        way: Way,
    ) -> Result<Written, Failure> {
        let patience = self.patience();
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => self.open().await?,
        };
        let outcome = timeout(patience, write(&session, batch, rows, way))
            .await
            .unwrap_or(Err(Failure::Silence(patience)));
        let usable = match &outcome {
            Ok(_) => true,
            Err(failure) => {
                failure.keeps_session()
                    && matches!(
                        timeout(patience, session.client.batch_execute("rollback")).await,
                        Ok(Ok(()))
                    )
            }
        };
        self.session = usable.then_some(session);
        outcome
    }

    /// A new session in the place of the last one.
    async fn open(&mut self) -> Result<Session, Failure> {
        let Options {
            connector,
            database,
            ..
        } = &self.options;
        let opening = Session::open(connector, self.number, database, self.backend);
        let patience = database.connect_timeout + self.patience();
        let session = timeout(patience, opening)
            .await
            .unwrap_or(Err(Failure::Silence(patience)))?;
        self.backend = session.backend;
        Ok(session)
    }

    /// How long the database may say nothing.
    fn patience(&self) -> Duration {
        self.options.database.statement_timeout * 2
    }

    /// Makes rows for apps that have none. In transactions of its own and without a second try: it
    /// must not hold up events, and the next chunk of such an app asks again.
    async fn register(&mut self, batch: &Batch) {
        let apps = batch.registrations();
        let Some(session) = self.session.take_if(|_| !apps.is_empty()) else {
            return;
        };
        let users: Vec<_> = apps.iter().map(|app| app.user.as_str()).collect();
        let names: Vec<_> = apps.iter().map(|app| app.app.as_str()).collect();
        let versions: Vec<_> = apps.iter().map(|app| app.version.as_str()).collect();
        for sql in [
            include_str!("../../../sql/ingest/app_register.sql"),
            include_str!("../../../sql/ingest/app_version.sql"),
        ] {
            let columns: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
                (&users, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&versions, Type::TEXT_ARRAY),
            ];
            let registered = timeout(self.patience(), session.client.query_typed(sql, &columns));
            let failure = match registered.await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => Failure::Statement(error),
                Err(_) => Failure::Silence(self.patience()),
            };
            tracing::warn!(error = %failure, "apps were not registered");
            self.session = failure.keeps_session().then_some(session);
            return;
        }
        self.session = Some(session);
        for app in apps {
            self.options.toggles.registered(&app.user, &app.app);
        }
    }
}

const TABLE_AT_FAULT: Retry = Retry::AfterFix(
    "the table refuses one row after another for the same reason: undo the change of the table that does, such as a column `not null` without a default",
);

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
