//! Which instances changed, wherever they were stored: what watchers are told.
//!
//! Every server says over one connection of its own ([`Line`]) which instances it stored, with
//! NOTIFY and at most four times a second, and listens there to what all say, itself included. A
//! server with watchers asks the others for that, again and again; one that is not asked says
//! nothing, and its lanes do not collect what it could say. What is said is a hint only: whoever is
//! told reads the rows. Where something may have been missed (the connection was lost, there was
//! more than can be said, somebody was too slow) the word is [`Change::Resync`]: read everything
//! again.
//!
//! Invariants: ingest is never waited for and never waits; memory is bounded, what is more becomes a
//! resync; nothing here keeps the process alive.

mod changes;
mod line;
mod payload;

use std::sync::Arc;

use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
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
    asked: watch::Sender<Instant>,
    stopping: CancellationToken,
}

/// What came over the line.
#[derive(Clone, Debug)]
enum Hint {
    Changed(Arc<[Arc<str>]>),
    Missed,
}

impl Watch {
    /// The handle, and the line to [`Line::run`] from now on. `names` tells what this server stores,
    /// and has a subscriber only while somebody wants to know; subscribers of the handle end when
    /// `stopping` is cancelled.
    #[must_use]
    pub fn new(
        connector: Connector,
        names: broadcast::Sender<Arc<Committed>>,
        stopping: CancellationToken,
    ) -> (Self, Line) {
        let watch = Self {
            hints: broadcast::Sender::new(HINTS),
            listening: watch::Sender::new(false),
            asked: watch::Sender::new(Instant::now()),
            stopping,
        };
        let line = Line::new(connector, names, watch.clone());
        (watch, line)
    }

    /// The changes from now on. The first is a [`Change::Resync`], told once the line stands: what
    /// is read after it, together with what is told, misses nothing.
    #[must_use]
    pub fn subscribe(&self) -> Changes {
        let changes = Changes::new(
            self.hints.subscribe(),
            self.listening.subscribe(),
            self.stopping.clone(),
        );
        self.ask();
        changes
    }

    /// Somebody, here or at another server, wants to know what this one stores.
    fn ask(&self) {
        self.asked.send_replace(Instant::now());
    }

    /// The line stands: what was said before it may have been missed, and so may who asked.
    fn stands(&self, listens: bool) {
        self.tell(Hint::Missed);
        self.ask();
        self.listens(listens);
    }

    /// Whether what this server and others say is heard from now on.
    fn listens(&self, listens: bool) {
        self.listening
            .send_if_modified(|listening| std::mem::replace(listening, listens) != listens);
    }

    fn broke(&self) {
        self.listens(false);
    }

    fn is_watched(&self) -> bool {
        self.hints.receiver_count() > 0
    }

    fn tell(&self, hint: Hint) {
        // Without subscribers nobody wants to know.
        let _ = self.hints.send(hint);
    }
}
