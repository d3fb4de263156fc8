//! What is known of the servers of one database, shared by all connections to it: which of them is
//! the primary, and which sessions must end because theirs no longer is.
//!
//! A primary that was passed over by a promotion is never gone back to: of two that say they belong
//! to one cluster, the higher timeline counts. Nothing is ended before another server takes writes,
//! so that without one whatever still works goes on.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::standing::Lineage;

/// The pause between two tries when there is a primary that was not there before.
const AGAIN: Duration = Duration::from_millis(100);

/// The servers, by their number in the URL.
#[derive(Debug)]
pub(super) struct Hosts {
    state: Mutex<State>,
    primary: watch::Sender<Option<usize>>,
}

/// What a server did when it was looked at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked yet.
    Unknown,
    /// It did not answer, or not as a server does.
    Silent,
    /// It answered and is none we look for.
    Unfit,
    /// It is one we look for.
    Fit(Option<Lineage>),
}

#[derive(Debug)]
struct State {
    seen: Vec<Seen>,
    /// Ends the sessions with a server.
    sessions: Vec<CancellationToken>,
    /// The highest timeline met of each cluster.
    newest: HashMap<String, u32>,
    /// When the primary became another one.
    changed_at: Option<Instant>,
}

impl Hosts {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                seen: vec![Seen::Unknown; servers],
                sessions: (0..servers).map(|_| CancellationToken::new()).collect(),
                newest: HashMap::new(),
                changed_at: None,
            }),
            primary: watch::Sender::new(None),
        }
    }

    /// The number of the primary once it is known, and every change of it.
    pub(super) fn primary(&self) -> watch::Receiver<Option<usize>> {
        self.primary.subscribe()
    }

    /// Waits for `pause`, or until the primary is another one; only briefly when that has just
    /// happened, as whoever failed began before it.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut primary = self.primary.subscribe();
        let changed_at = self.lock().changed_at;
        let just_now = changed_at.is_some_and(|at| at.elapsed() < pause);
        let pause = if just_now { pause.min(AGAIN) } else { pause };
        // the sender is this one's: only a change ends the wait early
        let _ = timeout(pause, primary.changed()).await;
    }

    /// Cancelled when what is opened with server `at` from now on must end.
    pub(super) fn session(&self, at: usize) -> CancellationToken {
        self.lock().sessions[at].clone()
    }

    /// Remembers that a server of this `lineage` takes writes; false when another one was promoted
    /// after it.
    pub(super) fn is_newest(&self, lineage: &Lineage) -> bool {
        let mut state = self.lock();
        state.learn(lineage);
        state.is_newest(lineage)
    }

    /// Server `at` was looked at. Answers with the number of the primary when it is another one now.
    pub(super) fn note(&self, at: usize, seen: Seen) -> Option<usize> {
        let mut state = self.lock();
        if let Seen::Fit(Some(lineage)) = &seen {
            state.learn(lineage);
        }
        state.seen[at] = seen;
        let before = *self.primary.borrow();
        let primary = state.primary(before)?;
        // known first: whoever is ended below asks for it at once
        if before != Some(primary) {
            self.primary.send_replace(Some(primary));
            state.changed_at = Some(Instant::now());
        }
        for server in (0..state.seen.len()).filter(|server| *server != primary) {
            if !state.may_stay(server) {
                std::mem::take(&mut state.sessions[server]).cancel();
            }
        }
        (before != Some(primary)).then_some(primary)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learn(&mut self, lineage: &Lineage) {
        let newest = self.newest.entry(lineage.system.clone()).or_default();
        *newest = lineage.timeline.max(*newest);
    }

    fn is_newest(&self, lineage: &Lineage) -> bool {
        self.newest
            .get(&lineage.system)
            .is_none_or(|newest| lineage.timeline >= *newest)
    }

    /// The one of `before` as long as it takes writes, else the first that does.
    fn primary(&self, before: Option<usize>) -> Option<usize> {
        let mut candidates = before.into_iter().chain(0..self.seen.len());
        candidates.find(|at| match &self.seen[*at] {
            Seen::Fit(lineage) => lineage.as_ref().is_none_or(|own| self.is_newest(own)),
            Seen::Unknown | Seen::Silent | Seen::Unfit => false,
        })
    }

    /// Whether sessions with this server are as good as those with the primary.
    fn may_stay(&self, server: usize) -> bool {
        match &self.seen[server] {
            Seen::Fit(lineage) => lineage.as_ref().is_none_or(|own| self.is_newest(own)),
            Seen::Unknown => true,
            Seen::Silent | Seen::Unfit => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(timeline: u32) -> Seen {
        let system = "one".to_owned();
        Seen::Fit(Some(Lineage { system, timeline }))
    }

    #[test]
    fn sessions_end_once_another_server_takes_writes_and_not_before() {
        let hosts = Hosts::new(2);
        let old = hosts.session(0);
        assert_eq!(hosts.note(0, fit(1)), Some(0));
        assert_eq!(hosts.note(1, Seen::Unfit), None);
        assert_eq!(hosts.note(0, Seen::Silent), None);
        assert!(!old.is_cancelled(), "nobody is better");
        let new = hosts.session(1);
        assert_eq!(hosts.note(1, fit(2)), Some(1));
        assert!(old.is_cancelled() && !new.is_cancelled());
        assert_eq!(*hosts.primary().borrow(), Some(1));
    }

    #[test]
    fn an_old_primary_that_comes_back_is_passed_over() {
        let hosts = Hosts::new(2);
        hosts.note(0, fit(1));
        let old = hosts.session(0);
        assert_eq!(hosts.note(1, fit(2)), Some(1), "while the old one answers");
        assert!(old.is_cancelled());
        assert_eq!(hosts.note(1, Seen::Silent), None);
        assert_eq!(hosts.note(0, fit(1)), None, "its end may be missing events");
        assert_eq!(hosts.note(0, fit(3)), Some(0), "promoted again");
        let stranger = Lineage {
            system: "two".to_owned(),
            timeline: 1,
        };
        assert!(hosts.is_newest(&stranger), "timelines of another cluster");
    }

    #[test]
    fn two_servers_that_both_take_writes_are_left_alone() {
        let hosts = Hosts::new(2);
        assert_eq!(hosts.note(1, Seen::Fit(None)), Some(1));
        assert_eq!(hosts.note(0, Seen::Fit(None)), None);
        assert!(!hosts.session(0).is_cancelled() && !hosts.session(1).is_cancelled());
    }
}
