//! The bytes that may be in memory, and who gets the next ones.
//!
//! - What is held never exceeds the limit.
//! - While somebody of another [`Holder`] waits, a holder that has something gets nothing that
//!   would give it more than half; alone it may have all.
//! - Holders are served in turns, and within a holder who came first is.
//! - Whoever is next and does not fit is waited for: many small ones never starve a large one.
//!
//! Room that is given goes through a channel of its own. One that stopped waiting before it took its
//! room out gives it back by that: nothing is lost, whenever a future is dropped.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::HashMap;
use tokio::sync::oneshot;

use super::Holder;

/// The bytes of events that may be in memory; shows how many are, without keeping lanes alive.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

/// Memory taken from the budget; part of it can be given back early.
#[derive(Debug)]
pub struct Permit {
    budget: Budget,
    holder: Holder,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    held: usize,
    /// Who holds something or waits.
    of: HashMap<Holder, Account>,
    /// Who waits, the next one first; each once.
    turns: VecDeque<Holder>,
    /// Numbers those who wait, in the order of their coming.
    arrivals: u64,
}

#[derive(Debug, Default)]
struct Account {
    held: usize,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    room: oneshot::Sender<Permit>,
}

/// Room that was found for one that waited.
struct Found {
    waiter: Waiter,
    holder: Holder,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            accounts: Mutex::default(),
        }))
    }

    /// Waits until `holder` has room for `bytes`, or for all there is when that is less. Cancel
    /// safe.
    pub async fn room(&self, holder: &Holder, bytes: usize) -> Permit {
        let Err(mut waiting) = self.take(holder, bytes) else {
            return self.permit(holder, bytes);
        };
        let permit = (&mut waiting.room).await;
        waiting.over = true;
        permit.expect("who is taken out of the queue is given room")
    }

    /// Room for `bytes` if nobody waits and it is there.
    pub fn room_now(&self, holder: &Holder, bytes: usize) -> Option<Permit> {
        self.accounts()
            .take_free(self.0.limit, holder, self.within(bytes))
            .then(|| self.permit(holder, bytes))
    }

    /// What takes no room.
    pub fn nothing(&self) -> Permit {
        self.permit(&Holder::unnamed(), 0)
    }

    /// Bytes taken and not answered yet.
    pub fn held_bytes(&self) -> usize {
        self.accounts().held
    }

    /// Bytes that may be taken.
    pub fn limit_bytes(&self) -> usize {
        self.0.limit
    }

    /// Whether somebody waits for room now.
    pub fn is_full(&self) -> bool {
        !self.accounts().turns.is_empty()
    }

    /// Takes the room if it is there (`Ok`), or a place among those who wait.
    fn take(&self, holder: &Holder, bytes: usize) -> Result<(), Waiting<'_>> {
        let mut accounts = self.accounts();
        let bytes = self.within(bytes);
        if accounts.take_free(self.0.limit, holder, bytes) {
            return Ok(());
        }
        let (sender, room) = oneshot::channel();
        let waiter = Waiter {
            bytes,
            room: sender,
        };
        let number = accounts.wait(holder, waiter);
        // It may fit where those before it may not have more.
        let found = accounts.serve(self.0.limit);
        drop(accounts);
        self.give(found);
        Err(Waiting {
            budget: self,
            holder: holder.clone(),
            number,
            room,
            over: false,
        })
    }

    fn permit(&self, holder: &Holder, bytes: usize) -> Permit {
        Permit {
            budget: self.clone(),
            holder: holder.clone(),
            bytes: self.within(bytes),
        }
    }

    fn within(&self, bytes: usize) -> usize {
        bytes.min(self.0.limit)
    }

    /// Hands out room that was found. Not under the lock: one that has gone gives it back here.
    fn give(&self, found: Vec<Found>) {
        for Found { waiter, holder } in found {
            let permit = self.permit(&holder, waiter.bytes);
            drop(waiter.room.send(permit));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Accounts)) {
        let mut accounts = self.accounts();
        change(&mut accounts);
        let found = accounts.serve(self.0.limit);
        drop(accounts);
        self.give(found);
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        let accounts = self.0.accounts.lock();
        accounts.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// Takes room that nobody waits for.
    fn take_free(&mut self, limit: usize, holder: &Holder, bytes: usize) -> bool {
        let free = bytes == 0 || self.turns.is_empty() && bytes <= limit - self.held;
        if free {
            self.add(holder, bytes);
        }
        free
    }

    fn add(&mut self, holder: &Holder, bytes: usize) {
        self.held += bytes;
        match self.of.get_mut(holder) {
            Some(account) => account.held += bytes,
            None if bytes > 0 => self.account(holder).held = bytes,
            None => {}
        }
    }

    fn give_back(&mut self, holder: &Holder, bytes: usize) {
        self.held -= bytes;
        if let Some(account) = self.of.get_mut(holder) {
            account.held -= bytes;
        }
        self.forget(holder);
    }

    /// A place behind those of `holder` who wait.
    fn wait(&mut self, holder: &Holder, waiter: Waiter) -> u64 {
        self.arrivals += 1;
        let number = self.arrivals;
        let account = self.account(holder);
        account.waiting.insert(number, waiter);
        if account.waiting.len() == 1 {
            self.turns.push_back(holder.clone());
        }
        number
    }

    /// Takes out one that does not wait any more.
    fn leave(&mut self, holder: &Holder, number: u64) {
        let Some(account) = self.of.get_mut(holder) else {
            return;
        };
        let waited = account.waiting.remove(&number).is_some();
        if waited && account.waiting.is_empty() {
            self.turns.retain(|other| other != holder);
        }
        self.forget(holder);
    }

    /// Takes out whoever can have room now.
    fn serve(&mut self, limit: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let mut passed = 0;
        while passed < self.turns.len() {
            let alone = self.turns.len() == 1;
            let holder = &self.turns[0];
            let account = self.of.get_mut(holder).expect("who waits has an account");
            let first = account.waiting.first_entry().expect("who has a turn waits");
            let bytes = first.get().bytes;
            if !alone && account.held > 0 && account.held + bytes > limit / 2 {
                self.turns.rotate_left(1);
                passed += 1;
                continue;
            }
            if bytes > limit - self.held {
                break;
            }
            passed = 0;
            self.held += bytes;
            account.held += bytes;
            let waiter = first.remove();
            let more = !account.waiting.is_empty();
            let holder = self.turns.pop_front().expect("looked at above");
            if more {
                self.turns.push_back(holder.clone());
            }
            found.push(Found { waiter, holder });
        }
        found
    }

    fn account(&mut self, holder: &Holder) -> &mut Account {
        self.of.entry(holder.clone()).or_default()
    }

    fn forget(&mut self, holder: &Holder) {
        let account = self.of.get(holder);
        if account.is_some_and(|account| account.held == 0 && account.waiting.is_empty()) {
            self.of.remove(holder);
        }
    }
}

impl Permit {
    /// Who holds it.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Gives back what is over `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        if over > 0 {
            self.bytes -= over;
            let holder = &self.holder;
            self.budget
                .change(|accounts| accounts.give_back(holder, over));
        }
    }

    /// Takes `bytes` out of it, or all it has when that is less, to be given back apart.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.permit(&self.holder, bytes)
    }

    /// Makes it the room of `holder`, who is known only now.
    pub fn hand_to(&mut self, holder: Holder) {
        if holder == self.holder {
            return;
        }
        let from = std::mem::replace(&mut self.holder, holder);
        self.budget.change(|accounts| {
            accounts.give_back(&from, self.bytes);
            accounts.add(&self.holder, self.bytes);
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// One that waits. Dropping it takes it out of the queue.
struct Waiting<'a> {
    budget: &'a Budget,
    holder: Holder,
    number: u64,
    room: oneshot::Receiver<Permit>,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.budget
                .change(|accounts| accounts.leave(&self.holder, self.number));
        }
    }
}

#[cfg(test)]
mod tests;
