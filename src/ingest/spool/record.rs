//! What one part of a chunk held, as the spool keeps it.

use std::sync::Arc;

use crate::{
    event::App,
    ingest::queue::{Registration, Rows},
};

/// Rows that one lane was to write. The decision on each event travels with it: in the kind of its
/// row, and in its mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it was handed to the spool, µs since 1970.
    pub spooled_at: i64,
    /// Any of these events may be stored already.
    pub resent: bool,
    /// Some of these starts name an original.
    pub reruns: bool,
    /// An app to register.
    pub registration: Option<Registration>,
    /// The app whose engine reported, where the edge knew it.
    pub app: Option<Arc<App>>,
    /// Rows of `steps`.
    pub steps: Rows,
    /// Staged rows of `flowstate`.
    pub flows: Rows,
}

impl Record {
    /// Number of rows.
    pub fn events(&self) -> usize {
        self.steps.marks.len() + self.flows.marks.len()
    }

    /// Bytes of rows.
    pub fn bytes(&self) -> usize {
        self.steps.bytes.len() + self.flows.bytes.len()
    }
}
