//! The two ends of an answer. A chunk gets one ticket; each lane that writes a part of it holds a
//! share, and the edge keeps the receipt.
//!
//! - Every share is settled once. One that is dropped unsettled is an answer too: the chunk is lost.
//! - The receipt is answered when the last share is gone; the worst outcome wins.
//! - The memory permit rides along: being answered and freeing memory are one event.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::queue::Permit;
use crate::event::Invalid;

/// How the events of a chunk fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored.
    pub recorded: u64,
    /// Ends that completed an instance of an app switched off since.
    pub completed: u64,
    /// Not stored, as the app is switched off.
    pub skipped: u64,
    /// Nothing written: the same or a later record is stored.
    pub superseded: u64,
    /// Rejected.
    pub invalid: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.recorded += other.recorded;
        self.completed += other.completed;
        self.skipped += other.skipped;
        self.superseded += other.superseded;
        self.invalid += other.invalid;
    }
}

/// An event that will never be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Position in the chunk.
    pub index: u32,
    /// Why.
    pub invalid: Invalid,
}

/// What became of a chunk, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How its events fared.
    pub counts: Counts,
    /// Those that were rejected; as many as `counts.invalid`.
    pub rejections: Vec<Rejection>,
    /// Some are in the spool and not in the tables yet.
    pub spooled: bool,
}

impl Outcome {
    /// Adds an invalid event.
    pub fn reject(&mut self, index: u32, invalid: Invalid) {
        self.counts.invalid += 1;
        self.rejections.push(Rejection { index, invalid });
    }

    /// Adds what became of another part or chunk.
    pub fn absorb(&mut self, other: Self) {
        self.counts += other.counts;
        self.rejections.extend(other.rejections);
        self.spooled |= other.spooled;
    }
}

/// A chunk was lost: it may or may not be stored, and must be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// The lanes' end of an answer.
#[derive(Debug)]
pub struct Ticket(Arc<Shared>);

/// Is told the answer, whether anybody waits for it or not.
pub type Witness = Box<dyn FnOnce(&Result<Outcome, Lost>) + Send>;

/// The edge's end of an answer.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Outcome, Lost>>);

/// A lane's part of a ticket.
#[derive(Debug)]
pub struct Share {
    shared: Arc<Shared>,
    settled: bool,
}

/// Who is told.
struct Answer {
    receipt: oneshot::Sender<Result<Outcome, Lost>>,
    witness: Option<Witness>,
}

struct Shared {
    result: Mutex<Result<Outcome, Lost>>,
    answer: Mutex<Option<Answer>>,
    _permit: Permit,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.result).finish()
    }
}

/// A ticket and its receipt; `known` is what the edge knows already, `permit` the memory it holds.
pub fn ticket(known: Outcome, permit: Permit) -> (Ticket, Receipt) {
    witnessed(known, permit, None)
}

/// The same, with a witness.
pub fn witnessed(known: Outcome, permit: Permit, witness: Option<Witness>) -> (Ticket, Receipt) {
    let (answer, receipt) = oneshot::channel();
    let shared = Shared {
        result: Mutex::new(Ok(known)),
        answer: Mutex::new(Some(Answer {
            receipt: answer,
            witness,
        })),
        _permit: permit,
    };
    (Ticket(Arc::new(shared)), Receipt(receipt))
}

impl Ticket {
    /// A further share; the ticket is answered once it and all shares are gone.
    pub fn share(&self) -> Share {
        Share {
            shared: Arc::clone(&self.0),
            settled: false,
        }
    }
}

impl Share {
    /// Answers for this part.
    pub fn settle(mut self, outcome: Outcome) {
        if let Ok(sum) = lock(&self.shared.result).as_mut() {
            sum.absorb(outcome);
        }
        self.settled = true;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.settled {
            *lock(&self.shared.result) = Err(Lost);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut *lock(&self.result), Err(Lost));
        if let Some(answer) = lock(&self.answer).take() {
            if let Some(witness) = answer.witness {
                witness(&result);
            }
            // A stream that has gone does not want its answers.
            let _ = answer.receipt.send(result);
        }
    }
}

impl Receipt {
    /// Waits for the answer. Cancellation safe: an answer that was not taken can be awaited again.
    ///
    /// # Errors
    /// [`Lost`] when a part of the chunk was dropped.
    pub async fn answer(&mut self) -> Result<Outcome, Lost> {
        (&mut self.0).await.unwrap_or(Err(Lost))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::queue::{Budget, Holder};

    fn open() -> (Budget, Ticket, Receipt) {
        let budget = Budget::new(10);
        let permit = budget.room_now(&Holder::unnamed(), 10).expect("room");
        let (ticket, receipt) = ticket(Outcome::default(), permit);
        (budget, ticket, receipt)
    }

    fn recorded(recorded: u64) -> Outcome {
        Outcome {
            counts: Counts {
                recorded,
                ..Counts::default()
            },
            ..Outcome::default()
        }
    }

    #[tokio::test]
    async fn a_receipt_is_answered_with_the_sum_when_the_last_share_is_settled() {
        let (budget, ticket, mut receipt) = open();
        let (one, two) = (ticket.share(), ticket.share());
        drop(ticket);
        one.settle(recorded(3));
        assert_eq!(budget.held_bytes(), 10, "a part is still out");
        two.settle(recorded(4));
        assert_eq!(receipt.answer().await, Ok(recorded(7)));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn a_chunk_is_as_durable_as_the_least_of_its_parts() {
        let (_, ticket, mut receipt) = open();
        let (one, two) = (ticket.share(), ticket.share());
        drop(ticket);
        one.settle(Outcome {
            spooled: true,
            ..recorded(1)
        });
        two.settle(recorded(1));
        let answer = receipt.answer().await.expect("settled");
        assert!(answer.spooled);
    }

    #[tokio::test]
    async fn a_dropped_share_loses_the_chunk_whatever_the_others_say() {
        let (budget, ticket, mut receipt) = open();
        let (one, two) = (ticket.share(), ticket.share());
        drop(ticket);
        drop(one);
        two.settle(recorded(4));
        assert_eq!(receipt.answer().await, Err(Lost));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn a_chunk_without_parts_is_answered_at_once() {
        let (_, ticket, mut receipt) = open();
        drop(ticket);
        assert_eq!(receipt.answer().await, Ok(Outcome::default()));
    }
}
