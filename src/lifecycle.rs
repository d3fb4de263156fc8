//! Phases of the process and the order in which it stops.
//!
//! Two tokens: the soft one ([`Lifecycle::stopping`]) stops what brings data in, the hard one
//! ([`Lifecycle::aborting`]) stops what is still running when the patience is over. What happens in
//! between is driven by channels that close: a loop ends when nobody can send to it any more.

use std::{fmt, future::Future, time::Duration};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Connecting, checking, loading; nothing is taken yet.
    Starting,
    /// Takes events.
    Ready,
    /// Finishes what was taken, takes nothing new.
    Draining,
    /// Everything taken was answered.
    Stopped,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        })
    }
}

/// Cheap handle on the process's phase, its two stop tokens and its tasks.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
    stopping: CancellationToken,
    aborting: CancellationToken,
    tasks: TaskTracker,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Starting),
            stopping: CancellationToken::new(),
            aborting: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

impl Lifecycle {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Every change of the phase from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Moves on to `phase`; a phase never goes back.
    pub fn enter(&self, phase: Phase) {
        let moved = self.phase.send_if_modified(|now| {
            let moves = *now < phase;
            if moves {
                *now = phase;
            }
            moves
        });
        if moved {
            tracing::info!(%phase, "phase");
        }
    }

    /// Asks what brings data in to stop.
    pub fn stop(&self) {
        self.enter(Phase::Draining);
        self.stopping.cancel();
    }

    /// Asks everything to stop now; what was not settled is lost to its sender, who is told so.
    pub fn abort(&self) {
        self.stop();
        self.aborting.cancel();
    }

    /// Cancelled once the process should take nothing new.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Cancelled once the process must end without waiting for anybody.
    #[must_use]
    pub fn aborting(&self) -> &CancellationToken {
        &self.aborting
    }

    /// Runs a task that [`Lifecycle::join`] waits for; an abort drops it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let aborting = self.aborting.clone();
        self.tasks
            .spawn(async move { aborting.run_until_cancelled_owned(task).await })
    }

    /// Waits for every task, for `patience` at most, then aborts the rest. True when all ended by
    /// themselves.
    pub async fn join(&self, patience: Duration) -> bool {
        self.tasks.close();
        let aborting = self.aborting.clone();
        let clean = tokio::select! {
            () = self.tasks.wait() => true,
            () = tokio::time::sleep(patience) => false,
            () = aborting.cancelled() => false,
        };
        if !clean {
            tracing::warn!(tasks = self.tasks.len(), "ending tasks that did not finish");
            self.abort();
            self.tasks.wait().await;
        }
        clean
    }
}
