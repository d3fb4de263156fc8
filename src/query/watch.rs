//! Which instances changed, wherever they were stored: what watchers are told.
//!
//! Every server says over one connection of its own ([`Line`]) which instances it stored, with
//! NOTIFY and at most four times a second, and listens there to what all say, itself included. That
//! is a hint only: whoever is told reads the rows. Where something may have been missed (the
//! connection was lost, there was more than can be said, somebody was too slow) the word is
//! [`Change::Resync`]: read everything again.
//!
//! Invariants: ingest is never waited for and never waits; memory is bounded, what is more becomes a
//! resync; nothing here keeps the process alive.

mod changes;
mod line;
mod payload;

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use changes::Changes;
pub use line::Line;

use crate::{event::Committed, pg::Connector};

/// Hints that a subscriber may be behind; each is a payload of less than 8,000 bytes.
const HINTS: usize = 1024;

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These instances changed, each named once. Some may be gone, and some may be as they were.
    Changed(Vec<Arc<str>>),
    /// Changes may have been missed: everything may be different.
    Resync,
    /// The process stops.
    End,
}

/// Cheap handle on the changes of all servers.
#[derive(Clone, Debug)]
pub struct Watch {
    hints: broadcast::Sender<Hint>,
    listening: watch::Sender<bool>,
    stopping: CancellationToken,
}

/// What came over the line.
#[derive(Clone, Debug)]
enum Hint {
    Changed(Arc<[Arc<str>]>),
    Missed,
}

impl Watch {
    /// The handle, and the line to [`Line::run`] from now on. `committed` is what this server stores
    /// (only its names count); subscribers end when `stopping` is cancelled.
    #[must_use]
    pub fn new(
        connector: Connector,
        committed: broadcast::Receiver<Arc<Committed>>,
        stopping: CancellationToken,
    ) -> (Self, Line) {
        let watch = Self {
            hints: broadcast::Sender::new(HINTS),
            listening: watch::Sender::new(false),
            stopping,
        };
        let line = Line::new(connector, committed, watch.clone());
        (watch, line)
    }

    /// The changes from now on. The first is a [`Change::Resync`], told once the line stands: what
    /// is read after it, together with what is told, misses nothing.
    #[must_use]
    pub fn subscribe(&self) -> Changes {
        Changes::new(
            self.hints.subscribe(),
            self.listening.subscribe(),
            self.stopping.clone(),
        )
    }

    /// The line stands: what was said before it may have been missed.
    fn stands(&self) {
        self.tell(Hint::Missed);
        self.listening.send_replace(true);
    }

    fn broke(&self) {
        self.listening.send_replace(false);
    }

    fn tell(&self, hint: Hint) {
        // Without subscribers nobody wants to know.
        let _ = self.hints.send(hint);
    }
}
