//! Looks at every server of a database of several, all the time, so that a promotion is noticed when
//! nobody is told of it: the old primary may be frozen, out of reach, or still taking writes.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::{
    Connector,
    hosts::Seen,
    standing::{self, Standing},
};

/// How often a server is looked at.
const TICK: Duration = Duration::from_millis(500);
/// A server that has not answered in this time is not there.
const ANSWER: Duration = Duration::from_secs(2);

/// Watches the servers of a [`Connector`], over a connection to each. Once another one is the
/// primary, sessions with servers that refuse writes, do not answer or were passed over by its
/// promotion are ended: whoever waits for such a session sees a lost connection, and the next one
/// leads to the new primary.
#[derive(Debug)]
pub struct Lookout(Connector);

/// What is known of one server between two looks.
#[derive(Default)]
struct Watched {
    client: Option<Client>,
    /// It will not say its lineage, and is not asked again on this connection.
    reticent: bool,
}

impl Lookout {
    pub(super) fn new(connector: Connector) -> Self {
        Self(connector)
    }

    /// Looks until `end` is cancelled. Cancel it after everything that writes has ended.
    pub async fn run(self, end: CancellationToken) {
        let servers = self.0.options().targets().len();
        let looking = join_all((0..servers).map(|at| self.watch(at)));
        end.run_until_cancelled(looking).await;
    }

    async fn watch(&self, at: usize) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watched = Watched::default();
        loop {
            ticks.tick().await;
            let seen = timeout(ANSWER, self.look(at, &mut watched)).await;
            let seen = seen.ok().flatten().unwrap_or(Seen::Silent);
            if seen == Seen::Silent {
                watched = Watched::default();
            }
            if let Some(primary) = self.0.hosts().note(at, seen) {
                let primary = &self.0.options().targets()[primary];
                tracing::info!(%primary, "this server is the primary");
            }
        }
    }

    /// None when it could not be asked.
    async fn look(&self, at: usize, watched: &mut Watched) -> Option<Seen> {
        let client = match watched.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.0.single(at).await.ok()?,
        };
        let standing = standing::ask(&client, !watched.reticent).await.ok()?;
        watched.client = Some(client);
        if self.0.options().session.unwanted(&standing).is_some() {
            return Some(Seen::Unfit);
        }
        let Standing { lineage, .. } = standing;
        watched.reticent = lineage.is_none();
        Some(Seen::Fit(lineage))
    }
}
