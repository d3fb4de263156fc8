//! What a client knows of its events, by the number of the chunk that holds them.

use std::collections::BTreeMap;

/// What the tables must say of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Never sent, or said to be left out: it must not be there.
    #[default]
    Absent,
    /// Sent and not answered, or answered in a way that leaves it open: it may be there.
    Open,
    /// Acknowledged: it must be there.
    Kept,
}

/// A client's ledger: two bytes a chunk.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    chunks: Vec<Standing>,
    /// Events that were rejected, by chunk and index, with the server's words.
    pub(crate) rejected: BTreeMap<(usize, u32), String>,
    /// Events acknowledged as committed, and as spooled.
    pub(crate) committed: u64,
    pub(crate) spooled: u64,
    /// Events acknowledged as left out.
    pub(crate) skipped: u64,
    /// Acks whose counts are not those of the events they answer.
    pub(crate) miscounted: Vec<String>,
    /// Times a stream or connection had to be opened again.
    pub(crate) reopened: u64,
    /// Chunks sent again, since no answer had come.
    pub(crate) resent: u64,
}

impl Ledger {
    /// A chunk is about to be sent for the first time; answers with its number.
    pub(crate) fn sent(&mut self) -> usize {
        self.chunks.push(Standing::Open);
        self.chunks.len() - 1
    }

    pub(crate) fn settle(&mut self, chunk: usize, standing: Standing) {
        self.chunks[chunk] = standing;
    }

    /// Of a chunk's events; those behind the last sent were never sent.
    pub(crate) fn standing(&self, chunk: usize) -> Standing {
        self.chunks.get(chunk).copied().unwrap_or_default()
    }

    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Chunks without an answer.
    pub(crate) fn open(&self) -> usize {
        let open = |standing: &&Standing| **standing == Standing::Open;
        self.chunks.iter().filter(open).count()
    }
}
