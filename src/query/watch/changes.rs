//! One watcher's view: hints gathered for a moment, each instance once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::{
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Change, Hint};

/// How long hints are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// A resync costs the watcher a list; two are at least this far apart.
const RESYNCS: Duration = Duration::from_secs(1);
/// Instances gathered at most; more is a resync.
const GATHERED: usize = 10_000;

/// The changes as one watcher gets them.
#[derive(Debug)]
pub struct Changes {
    hints: broadcast::Receiver<Hint>,
    listening: watch::Receiver<bool>,
    stopping: CancellationToken,
    gathered: HashSet<Arc<str>>,
    missed: bool,
    /// When what is gathered is told.
    due: Option<Instant>,
    /// When a resync may be told again; none before the first.
    resync_from: Option<Instant>,
}

impl Changes {
    pub(super) fn new(
        hints: broadcast::Receiver<Hint>,
        listening: watch::Receiver<bool>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            hints,
            listening,
            stopping,
            gathered: HashSet::new(),
            missed: false,
            due: None,
            resync_from: None,
        }
    }

    /// Whether the end of changes comes within `time`, which is waited for.
    pub async fn ended_within(&self, time: Duration) -> bool {
        timeout(time, self.stopping.cancelled()).await.is_ok()
    }

    /// Waits for the next change. [`Change::End`] is the last. Cancel safe: what was gathered is
    /// kept for the next call.
    pub async fn next(&mut self) -> Change {
        let stopping = self.stopping.clone();
        let change = stopping.run_until_cancelled(self.gather()).await;
        change.unwrap_or(Change::End)
    }

    async fn gather(&mut self) -> Change {
        if self.resync_from.is_none() {
            // The sender lives as long as the line, which ends with the process.
            if self
                .listening
                .wait_for(|listening| *listening)
                .await
                .is_err()
            {
                return Change::End;
            }
            return self.resync();
        }
        loop {
            let due = self.due;
            let alarm = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // hints that are there already belong to what is told
                biased;
                hint = self.hints.recv() => match hint {
                    Ok(Hint::Changed(ids)) => self.changed(&ids),
                    Ok(Hint::Missed) | Err(RecvError::Lagged(_)) => self.missed(),
                    Err(RecvError::Closed) => return Change::End,
                },
                () = alarm => {
                    self.due = None;
                    if self.missed {
                        return self.resync();
                    }
                    return Change::Changed(self.gathered.drain().collect());
                }
            }
        }
    }

    fn changed(&mut self, ids: &[Arc<str>]) {
        if self.missed {
            return;
        }
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
        self.gathered.extend(ids.iter().cloned());
        if self.gathered.len() > GATHERED {
            self.missed();
        }
    }

    fn missed(&mut self) {
        if !self.missed {
            self.missed = true;
            self.gathered = HashSet::new();
            let soon = Instant::now() + GATHER;
            self.due = Some(self.resync_from.map_or(soon, |from| from.max(soon)));
        }
    }

    fn resync(&mut self) -> Change {
        // Whoever reads everything after this sees what was said before.
        while !matches!(
            self.hints.try_recv(),
            Err(TryRecvError::Empty | TryRecvError::Closed)
        ) {}
        self.missed = false;
        self.gathered = HashSet::new();
        self.due = None;
        self.resync_from = Some(Instant::now() + RESYNCS);
        Change::Resync
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    struct World {
        hints: broadcast::Sender<Hint>,
        listening: watch::Sender<bool>,
        stopping: CancellationToken,
        changes: Changes,
    }

    fn world() -> World {
        let (hints, received) = broadcast::channel(4);
        let (listening, seen) = watch::channel(false);
        let stopping = CancellationToken::new();
        let changes = Changes::new(received, seen, stopping.clone());
        World {
            hints,
            listening,
            stopping,
            changes,
        }
    }

    fn say(world: &World, ids: &[&str]) {
        let ids = ids.iter().map(|id| Arc::from(*id)).collect();
        world.hints.send(Hint::Changed(ids)).expect("a subscriber");
    }

    async fn changed(world: &mut World) -> Vec<Arc<str>> {
        match world.changes.next().await {
            Change::Changed(mut ids) => {
                ids.sort();
                ids
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_word_is_a_resync_once_the_line_stands() {
        let mut world = world();
        let waits = timeout(Duration::from_mins(1), world.changes.next()).await;
        assert!(waits.is_err(), "{waits:?}");
        world.listening.send_replace(true);
        assert_eq!(world.changes.next().await, Change::Resync);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_close_together_is_told_once() {
        let mut world = world();
        world.listening.send_replace(true);
        world.changes.next().await;
        say(&world, &["a", "b"]);
        say(&world, &["b", "c"]);
        let cancelled = timeout(Duration::from_millis(10), world.changes.next()).await;
        assert!(cancelled.is_err(), "it gathers");
        say(&world, &["a"]);
        assert_eq!(
            changed(&mut world).await,
            ["a".into(), "b".into(), "c".into()]
        );
        say(&world, &["a"]);
        assert_eq!(changed(&mut world).await, ["a".into()]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_is_a_resync_and_those_are_a_second_apart() {
        let mut world = world();
        world.listening.send_replace(true);
        world.changes.next().await;
        let told = Instant::now();
        for _ in 0..9 {
            say(&world, &["lost"]);
        }
        assert_eq!(world.changes.next().await, Change::Resync);
        assert_eq!(told.elapsed(), RESYNCS);
        world.hints.send(Hint::Missed).expect("a subscriber");
        assert_eq!(world.changes.next().await, Change::Resync);
        assert_eq!(told.elapsed(), RESYNCS * 2);
        let ids: Vec<_> = (0..=GATHERED).map(|n| Arc::from(n.to_string())).collect();
        let ids = Hint::Changed(ids.into());
        world.hints.send(ids).expect("a subscriber");
        assert_eq!(world.changes.next().await, Change::Resync);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_is_the_end() {
        let mut world = world();
        world.stopping.cancel();
        assert_eq!(world.changes.next().await, Change::End);
        assert_eq!(world.changes.next().await, Change::End);
    }
}
