//! The loop that keeps the toggles true: listen, then load, then wait for a hint or the tick.
//!
//! Listening comes before loading, so that no change falls in between. A notification is a hint
//! only; the tick alone keeps the promise of a second where no trigger can be made. Any failure
//! drops the connection: a new one listens and loads again, which catches up whatever was missed.

use std::{error::Error as StdError, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

use super::{Error, Metrics, Toggles, metrics::Failure, store};
use crate::{config::Policy, pg::Connector};

const LISTEN: &str = include_str!("../../sql/control/listen.sql");
const LOAD: &str = include_str!("../../sql/control/load.sql");
const CHANNEL: &str = "flowtrail_appstate";

/// A change that no notification told of is seen after this time at most.
const TICK: Duration = Duration::from_millis(500);
/// Loads begin this far apart at least, however many hints arrive.
const GAP: Duration = Duration::from_millis(20);
/// A statement without an answer for this long: the other end is gone without a word.
const ANSWER: Duration = Duration::from_secs(2);
/// The longest pause between two tries to connect; chance makes it up to twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows `appstate` over a connection of its own.
pub struct Listener {
    connector: Connector,
    toggles: Toggles,
    session: Option<Client>,
}

impl Toggles {
    /// Toggles read from the table, and the listener to [`Listener::run`] from now on.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses to show the table.
    pub async fn load(
        connector: Connector,
        default: Policy,
        metrics: Metrics,
    ) -> Result<(Self, Listener), Error> {
        let toggles = Self::new(default, [], metrics);
        let mut listener = Listener::new(connector, toggles.clone());
        listener.load().await?;
        Ok((toggles, listener))
    }
}

impl Listener {
    /// A listener that has not read anything yet.
    #[must_use]
    pub fn new(connector: Connector, toggles: Toggles) -> Self {
        Self {
            connector,
            toggles,
            session: None,
        }
    }

    /// Follows the table until `end` is cancelled. While the database is away the toggles keep what
    /// was read last, and it is tried again with growing pauses.
    ///
    /// Cancel `end` after the lanes have drained, since toggles still decide until then, and before
    /// `Lifecycle::join` is out of patience if this runs as one of its tasks.
    pub async fn run(self, end: CancellationToken) {
        end.run_until_cancelled(self.follow()).await;
    }

    /// Reads the table once, over a new connection when there is none. Cancelling it leaves the
    /// toggles as they were.
    ///
    /// # Errors
    /// When the database cannot be reached, refuses or does not answer; the connection is dropped.
    pub async fn load(&mut self) -> Result<(), Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let began = Instant::now();
        let rows = answer(session.query_typed(LOAD, &[])).await?;
        let apps = rows.iter().map(store::app).collect::<Result<_, _>>()?;
        self.toggles.replace(apps, began);
        self.session = Some(session);
        Ok(())
    }

    async fn connect(&self) -> Result<Client, Error> {
        let toggles = self.toggles.clone();
        let on_message = move |message| {
            if matches!(&message, AsyncMessage::Notification(n) if n.channel() == CHANNEL) {
                toggles.hint();
            }
        };
        let session = self.connector.connect("toggles", on_message).await?;
        answer(session.batch_execute(LISTEN)).await?;
        Ok(session)
    }

    async fn follow(mut self) {
        let mut pauses = pauses();
        let mut failing_since = None;
        loop {
            let began = Instant::now();
            match self.load().await {
                Ok(()) => {
                    pauses = self::pauses();
                    if let Some(since) = failing_since.take() {
                        let away = Instant::now().duration_since(since);
                        tracing::info!(?away, "toggles are read again");
                    }
                    tokio::select! {
                        () = self.toggles.hinted() => sleep_until(began + GAP).await,
                        () = sleep(TICK) => {}
                    }
                }
                Err(error) => {
                    self.failed(&error, failing_since.is_none());
                    failing_since.get_or_insert(began);
                    sleep(pauses.next().unwrap_or(PAUSE)).await;
                }
            }
        }
    }

    fn failed(&self, error: &Error, first: bool) {
        let reason = error.reason();
        let failures = &self.toggles.metrics().failures;
        failures.get_or_create(&Failure { reason }).inc();
        let error = error as &dyn StdError;
        if first {
            tracing::warn!(error, "toggles cannot be read; the last ones stay in force");
        } else {
            tracing::debug!(error, "toggles still cannot be read");
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

async fn answer<T>(
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout(ANSWER, statement).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Timeout(ANSWER)),
    }
}
