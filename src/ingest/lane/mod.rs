//! A lane: one loop with one connection of its own that turns parts into committed transactions.
//!
//! Take what is there, fill up to rows, bytes or linger, write one transaction, settle. With linger
//! 0 batches grow by themselves when the database slows: group commit.
//!
//! - Nothing is settled before its COMMIT was answered, or before the spool has synced it; an unknown
//!   outcome is written again, which the merge makes harmless.
//! - A lane is **direct**: what it takes is written. A batch that is not committed
//!   `--spool-after` after it was taken goes to the spool, and the lane is **spooling**: everything
//!   goes there, without trying. What the spool gives back, first in, first out, is written whatever
//!   the lane does; once some of it is committed all lanes are direct again, and as long as there is
//!   more, live and drained batches take turns: **draining**.
//! - Where the spool takes nothing, or there is none, a batch stays in hand until it is committed, and
//!   what comes after it waits.
//! - A batch that the database refuses is halved until the row at fault stands alone. When more than
//!   [`bisect::TOLERATED`] rows fall for the same cause, or when no row could pass, the table is at fault:
//!   nothing is refused, an operator is asked.
//! - The lane ends when its inbox is closed and empty. What it was given by the spool stays there.
//!
//! Not here: the order of events, which nobody needs: the merge is order-blind. The one exception,
//! ends that complete a stored instance and make none, go behind their start, into the spool, while
//! it holds anything.

mod apps;
pub(super) mod attempts;
pub mod batch;
mod bisect;
mod copy;
mod detour;
mod ends;
mod failure;
pub mod fold;
mod line;
pub(super) mod reruns;
mod session;
mod stage;
mod standing;
mod straight;
mod tell;
mod write;
mod writer;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use uuid::Uuid;

use batch::Batch;
use bisect::Bisect;
use detour::Detour;
use standing::Course;
use writer::{Until, Writer};

pub use standing::{Standing, Trouble};
pub use tell::Tell;

use super::{
    metrics::Metrics,
    queue::{Inbox, Part},
    spool::Spool,
};
use crate::{config, control::Toggles, pg::Connector};

/// Rows that a batch may always have, however slow the database is.
const FEWEST_ROWS: usize = 100;
/// How often a spool that refused is asked again while the database is waited for.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What lanes are made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How they reach the database.
    pub connector: Connector,
    /// `flowtrail.meta.database_id` of the database that events are for; nothing is written elsewhere.
    pub origin: Uuid,
    /// Limits of a batch.
    pub ingest: config::Ingest,
    /// Timeouts.
    pub database: config::Database,
    /// Where batches go that are not committed in time, and that time.
    pub spool: Option<(Spool, Duration)>,
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
    inbox: Inbox,
    /// What the spool gives back.
    drained: mpsc::Receiver<Part>,
    limits: config::Ingest,
    tell: Tell,
    writer: Writer,
    detour: Option<Detour>,
    course: Course,
    /// A batch that was taken and that the spool refused.
    in_hand: Option<Batch>,
    /// That batch waits for room in the spool, which draining makes.
    needs_room: bool,
    /// Rows a live batch may have; less after one that was not committed in time.
    most_rows: usize,
    /// Whose turn it is when both wait.
    drained_next: bool,
}

enum Work {
    Live(Batch),
    Drained(Batch),
}

impl Lane {
    /// Lane `number`, which writes what comes through `inbox` and what the spool gives back.
    pub fn new(
        number: usize,
        inbox: Inbox,
        drained: mpsc::Receiver<Part>,
        options: Options,
    ) -> Self {
        Self {
            inbox,
            drained,
            limits: options.ingest.clone(),
            tell: options.tell.clone(),
            detour: options.spool.clone().map(Detour::from),
            course: Course::of(number, Arc::clone(&options.standing)),
            in_hand: None,
            needs_room: false,
            most_rows: options.ingest.batch_rows,
            drained_next: false,
            writer: Writer::new(number, options),
        }
    }

    /// Writes until the inbox is closed and empty. Dropping it loses what is in hand; the senders are
    /// told so.
    pub async fn run(mut self) {
        while let Some(work) = self.next().await {
            match work {
                Work::Live(batch) => self.live(batch).await,
                Work::Drained(batch) => self.drained(batch).await,
            }
        }
    }

    /// What is to be written next; none when no live part can come any more.
    async fn next(&mut self) -> Option<Work> {
        if let Some(batch) = self.in_hand.take() {
            let room = std::mem::take(&mut self.needs_room);
            if room && let Ok(Some(part)) = timeout(ASK_AGAIN, self.drained.recv()).await {
                self.in_hand = Some(batch);
                return Some(Work::Drained(self.fill_drained(part)));
            }
            return Some(Work::Live(batch));
        }
        let drained_first = std::mem::take(&mut self.drained_next);
        if drained_first && let Ok(part) = self.drained.try_recv() {
            return Some(Work::Drained(self.fill_drained(part)));
        }
        tokio::select! {
            biased;
            part = self.inbox.recv() => {
                let part = part?;
                self.drained_next = true;
                let rows = self.most_rows;
                Some(Work::Live(fill(&mut self.inbox, &self.limits, rows, part).await))
            }
            Some(part) = self.drained.recv() => Some(Work::Drained(self.fill_drained(part))),
        }
    }

    fn fill_drained(&mut self, part: Part) -> Batch {
        let mut batch = Batch::default();
        batch.push(part);
        while batch.rows() < self.limits.batch_rows && batch.bytes() < self.limits.batch_bytes {
            match self.drained.try_recv() {
                Ok(part) => batch.push(part),
                Err(_) => break,
            }
        }
        batch
    }

    /// Returns when the batch is settled.
    async fn live(&mut self, batch: Batch) {
        let Some(mut batch) = self.behind_their_starts(batch).await else {
            return;
        };
        let mut work = Bisect::new(batch.rows());
        let mut until = match &self.detour {
            None => Until::Decided,
            Some(_) if self.course.is_spooling() => Until::Failure,
            Some(detour) => Until::Deadline(Instant::now() + detour.after),
        };
        // While the lane is spooling the spool comes first, and trying only where it refuses.
        let mut tries = !self.course.is_spooling();
        loop {
            let began = Instant::now();
            if tries && self.writer.store(&mut batch, &mut work, until).await {
                self.inbox
                    .wrote(batch.rows(), batch.bytes(), began.elapsed());
                self.course.spool(false);
                self.most_rows = (self.most_rows * 2).min(self.limits.batch_rows);
                return self.committed(batch).await;
            }
            if let Some(detour) = &self.detour {
                if tries && !self.course.is_spooling() {
                    self.course.spool(true);
                    self.most_rows = (batch.rows() / 2).clamp(FEWEST_ROWS, self.limits.batch_rows);
                }
                if detour.take(&mut batch, &mut work, tries).await {
                    return batch.settle();
                }
            }
            tries = true;
            until = Until::Failure;
        }
    }

    /// Ends that may make no row go through the spool while it holds anything: their starts may be in
    /// it. Answers with what else there is.
    async fn behind_their_starts(&mut self, batch: Batch) -> Option<Batch> {
        let Some(detour) = self.detour.as_ref().filter(|detour| detour.holds_any()) else {
            return Some(batch);
        };
        if !batch.complete_only() {
            return Some(batch);
        }
        let (mut behind, rest) = batch.split_complete_only();
        let mut work = Bisect::new(behind.rows());
        if !detour.take(&mut behind, &mut work, false).await {
            behind.append(rest);
            if !detour.holds_any() {
                // What was in front of them is in the tables.
                return Some(behind);
            }
            self.in_hand = Some(behind);
            self.needs_room = true;
            return None;
        }
        behind.settle();
        (!rest.is_empty()).then_some(rest)
    }

    /// Writes what the spool gave back, however long it takes. What comes in meanwhile waits as long
    /// as a live batch would, and then goes to the spool.
    async fn drained(&mut self, mut batch: Batch) {
        let mut work = Bisect::new(batch.rows());
        let Self {
            inbox,
            limits,
            writer,
            detour,
            course,
            in_hand,
            most_rows,
            ..
        } = self;
        let Some(detour) = detour.as_ref() else {
            // Nobody takes events: what cannot be written stays where it is.
            tokio::select! {
                _ = writer.store(&mut batch, &mut work, Until::Decided) => {}
                _ = inbox.recv() => return,
            }
            return self.committed(batch).await;
        };
        {
            let mut writing = pin!(writer.store(&mut batch, &mut work, Until::Decided));
            let patience = if course.is_spooling() {
                Duration::ZERO
            } else {
                detour.after
            };
            let mut written = timeout(patience, &mut writing).await.is_ok();
            course.spool(!written);
            while !written {
                let mut live = if let Some(live) = in_hand.take() {
                    live
                } else {
                    tokio::select! {
                        _ = &mut writing => break,
                        part = inbox.recv() => match part {
                            Some(part) => fill(inbox, limits, *most_rows, part).await,
                            // The process stops; what is in hand stays in the spool.
                            None => return,
                        },
                    }
                };
                let mut rows = Bisect::new(live.rows());
                let taken = {
                    let mut taking = pin!(detour.take(&mut live, &mut rows, false));
                    tokio::select! {
                        taken = &mut taking => taken,
                        _ = &mut writing => {
                            written = true;
                            taking.await
                        }
                    }
                };
                if taken {
                    live.settle();
                    continue;
                }
                *in_hand = Some(live);
                if !written {
                    let pause = sleep(ASK_AGAIN);
                    written = tokio::select! { _ = &mut writing => true, () = pause => false };
                }
            }
        }
        course.drained();
        self.committed(batch).await;
    }

    async fn committed(&mut self, batch: Batch) {
        if batch.rows() > 0 {
            self.tell.committed(&batch);
        }
        self.writer.register(&batch).await;
        batch.settle();
    }
}

/// Takes what is there behind `part`, and waits for more as long as the linger allows. Not cancel
/// safe.
async fn fill(inbox: &mut Inbox, limits: &config::Ingest, most_rows: usize, part: Part) -> Batch {
    let mut batch = Batch::default();
    batch.push(part);
    let deadline = Instant::now() + limits.linger;
    while batch.rows() < inbox.fair(most_rows) && batch.bytes() < inbox.fair(limits.batch_bytes) {
        let part = match inbox.try_recv() {
            Some(part) => part,
            None if limits.linger.is_zero() => break,
            None => match timeout_at(deadline, inbox.more()).await {
                Ok(Some(part)) => part,
                Ok(None) | Err(_) => break,
            },
        };
        batch.push(part);
    }
    batch
}
