//! A queue of queues: one for each key, served in turns by bytes.

use std::{collections::VecDeque, hash::Hash};

use foldhash::HashMap;

/// Bytes a key may take out in its turn. What it takes beyond them, as its last item is large, it
/// pays with its next turns.
const TURN_BYTES: usize = 64 << 10;

/// Items that wait. Those of one key keep their order. An item that is put [`behind`](Self::behind)
/// everything comes after all that waited before it, whatever their keys.
#[derive(Debug)]
pub(super) struct Turns<K, T> {
    queues: HashMap<K, Queue<T>>,
    /// Keys with items, the next one first; each once.
    keys: VecDeque<K>,
    /// Items with a key.
    len: usize,
    /// Numbers items in the order of their coming.
    arrivals: u64,
    behind: VecDeque<Last<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<Item<T>>,
    /// Bytes that may be taken in this turn.
    credit: usize,
    /// Bytes that were taken beyond that.
    debt: usize,
}

#[derive(Debug)]
struct Item<T> {
    number: u64,
    bytes: usize,
    content: T,
}

/// An item that waits for everything before it.
#[derive(Debug)]
struct Last<T> {
    number: u64,
    /// Items numbered below it that wait.
    before: usize,
    content: T,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self {
            queues: HashMap::default(),
            keys: VecDeque::new(),
            len: 0,
            arrivals: 0,
            behind: VecDeque::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, T> Turns<K, T> {
    /// Puts an item behind those of `key`.
    pub fn push(&mut self, key: &K, bytes: usize, item: T) {
        let item = Item {
            number: self.arrival(),
            bytes,
            content: item,
        };
        self.len += 1;
        if let Some(queue) = self.queues.get_mut(key) {
            queue.items.push_back(item);
        } else {
            let queue = Queue {
                items: VecDeque::from([item]),
                credit: TURN_BYTES,
                debt: 0,
            };
            self.queues.insert(key.clone(), queue);
            self.keys.push_back(key.clone());
        }
    }

    /// Puts an item behind everything that waits.
    pub fn behind(&mut self, item: T) {
        let last = Last {
            number: self.arrival(),
            before: self.len,
            content: item,
        };
        self.behind.push_back(last);
    }

    /// The next item and its key; none for one that was put behind everything.
    pub fn pop(&mut self) -> Option<(Option<K>, T)> {
        if let Some(last) = self.behind.pop_front_if(|last| last.before == 0) {
            return Some((None, last.content));
        }
        let key = self.next_key()?;
        let queue = self.queues.get_mut(&key)?;
        let item = queue.items.pop_front()?;
        if queue.items.is_empty() {
            self.queues.remove(&key);
            self.keys.pop_front();
        } else {
            queue.debt = item.bytes.saturating_sub(queue.credit);
            queue.credit = queue.credit.saturating_sub(item.bytes);
        }
        self.len -= 1;
        for last in &mut self.behind {
            if item.number < last.number {
                last.before -= 1;
            }
        }
        Some((Some(key), item.content))
    }

    /// Whether items of several keys wait.
    pub fn several(&self) -> bool {
        self.keys.len() > 1
    }

    /// The key whose turn it is.
    fn next_key(&mut self) -> Option<K> {
        loop {
            let key = self.keys.front()?;
            let queue = self.queues.get_mut(key)?;
            if queue.credit > 0 {
                return Some(key.clone());
            }
            queue.credit = TURN_BYTES.saturating_sub(queue.debt);
            queue.debt = queue.debt.saturating_sub(TURN_BYTES);
            self.keys.rotate_left(1);
        }
    }

    fn arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }
}

#[cfg(test)]
mod tests;
