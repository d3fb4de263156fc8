//! The line to the database: says what this server stored, and hears what all servers say.

use std::{collections::HashSet, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::{
    sync::{
        broadcast::{self, Receiver, error::RecvError},
        watch,
    },
    time::{Instant, interval, timeout},
};
use tokio_postgres::{AsyncMessage, Client, types::Type};
use tokio_util::sync::CancellationToken;

use super::{Watch, payload};
use crate::{
    event::Committed,
    pg::{self, Connector},
};

const LISTEN: &str = include_str!("../../../sql/query/watch_listen.sql");
const TELL: &str = include_str!("../../../sql/query/watch_tell.sql");
const CHANNEL: &str = "flowtrail_changes";

/// How often something is said at most.
const TICK: Duration = Duration::from_millis(250);
/// A line that has nothing to say is asked for a sign of life.
const IDLE: Duration = Duration::from_secs(5);
/// A statement without an answer for this long: the other end is gone without a word.
const ANSWER: Duration = Duration::from_secs(2);
/// How often a server with watchers asks all to say what they store.
const ASK: Duration = Duration::from_secs(1);
/// A server that nobody has asked for this long says nothing.
const FORGET: Duration = Duration::from_secs(5);
/// The longest pause between two tries to connect; chance makes it up to twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Instances collected at most between two ticks, or while the database is away. What fits into the
/// payloads of a tick is less, unless ids are very short.
const COLLECTED: usize = 20_000;

/// The connection and what is to be said over it.
#[derive(Debug)]
pub struct Line {
    connector: Connector,
    names: broadcast::Sender<Arc<Committed>>,
    /// None while nobody asks: then lanes have nobody to tell.
    committed: Option<Receiver<Arc<Committed>>>,
    /// When somebody asked last.
    asked: watch::Receiver<Instant>,
    watch: Watch,
    unsaid: Unsaid,
}

/// Instances that nobody was told of yet.
#[derive(Debug, Default)]
struct Unsaid {
    ids: HashSet<Arc<str>>,
    too_many: bool,
}

/// Why the line broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Database(#[from] pg::Error),
    #[error("no answer within {} s", ANSWER.as_secs())]
    Silence,
    #[error("the connection was lost")]
    Closed,
}

impl Line {
    pub(super) fn new(
        connector: Connector,
        names: broadcast::Sender<Arc<Committed>>,
        watch: Watch,
    ) -> Self {
        Self {
            connector,
            committed: Some(names.subscribe()),
            names,
            asked: watch.asked.subscribe(),
            watch,
            unsaid: Unsaid::default(),
        }
    }

    /// Says and hears until `end` is cancelled; then what the last commits changed is said. While
    /// the database is away it is tried again with growing pauses.
    ///
    /// Cancel `end` after the lanes have drained, so that other servers hear of all they stored.
    pub async fn run(mut self, end: CancellationToken) {
        let mut pauses = pauses();
        let mut failing = false;
        loop {
            let mut client = None;
            let broken = end.run_until_cancelled(self.stand(&mut client)).await;
            self.watch.broke();
            let Some(broken) = broken else {
                self.last_words(client).await;
                return;
            };
            if client.is_some() {
                pauses = self::pauses();
                failing = false;
            }
            // At its level only once for each trouble.
            if failing {
                tracing::debug!(%broken, "changes still cannot be told");
            } else {
                tracing::warn!(%broken, "changes cannot be told between servers; watchers list again when they can");
            }
            failing = true;
            let pause = pauses.next().unwrap_or(PAUSE);
            if end.run_until_cancelled(self.collect(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Connects and stands until the line breaks; `client` is there while it listens.
    async fn stand(&mut self, client: &mut Option<Client>) -> Broken {
        let connecting = self.connect();
        match connecting.await {
            Ok(connected) => {
                let connected = client.insert(connected);
                tracing::debug!("changes are told");
                self.watch.stands(self.committed.is_some());
                self.talk(connected).await
            }
            Err(broken) => broken,
        }
    }

    async fn connect(&self) -> Result<Client, Broken> {
        let watch = self.watch.clone();
        let on_message = move |message| match message {
            AsyncMessage::Notification(said) if said.channel() == CHANNEL => match said.payload() {
                payload::ASK => watch.ask(),
                said => watch.tell(payload::read(said)),
            },
            _ => {}
        };
        let client = self.connector.connect("changes", on_message).await?;
        answer(client.batch_execute(LISTEN)).await?;
        Ok(client)
    }

    /// Says what is collected, tick by tick.
    async fn talk(&mut self, client: &Client) -> Broken {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut said_at = Instant::now();
        let mut asked_at = None;
        loop {
            tokio::select! {
                committed = next(&mut self.committed) => {
                    self.unsaid.note(committed);
                    continue;
                }
                Ok(()) = self.asked.changed(), if self.committed.is_none() => {}
                _ = ticks.tick() => {}
            }
            if client.is_closed() {
                return Broken::Closed;
            }
            self.begin_or_forget();
            let asks =
                self.watch.is_watched() && asked_at.is_none_or(|at: Instant| at.elapsed() >= ASK);
            let outcome = if asks || !self.unsaid.is_empty() {
                self.say(client, asks).await
            } else if said_at.elapsed() >= IDLE {
                answer(client.batch_execute(LISTEN)).await
            } else {
                continue;
            };
            match outcome {
                Ok(()) => said_at = Instant::now(),
                Err(broken) => return broken,
            }
            if asks {
                asked_at = Some(said_at);
            }
            self.watch.listens(self.committed.is_some());
        }
    }

    /// Has the lanes tell what they store as long as somebody asks. What was stored before that may
    /// be anything.
    fn begin_or_forget(&mut self) {
        let asked = self.asked.borrow_and_update().elapsed() < FORGET;
        if asked && self.committed.is_none() {
            self.committed = Some(self.names.subscribe());
            self.unsaid.overflow();
        } else if !asked && self.committed.is_some() {
            self.committed = None;
            self.unsaid = Unsaid::default();
            self.watch.listens(false);
        }
    }

    /// Says what is collected, and asks others for what they store; keeps it when that fails.
    async fn say(&mut self, client: &Client, asks: bool) -> Result<(), Broken> {
        let mut payloads = self.unsaid.payloads();
        if asks {
            payloads.push(payload::ASK.to_owned());
        }
        let given = [(&payloads as _, Type::TEXT_ARRAY)];
        answer(client.query_typed(TELL, &given)).await?;
        self.unsaid = Unsaid::default();
        Ok(())
    }

    async fn last_words(&mut self, client: Option<Client>) {
        while let Some(Ok(committed)) = self.committed.as_mut().map(Receiver::try_recv) {
            self.unsaid.note(Ok(committed));
        }
        if let Some(client) = client.filter(|_| !self.unsaid.is_empty())
            && let Err(broken) = self.say(&client, false).await
        {
            tracing::debug!(%broken, "the last changes were not told");
        }
    }

    /// Collects for `time`, so that nothing is missed while there is no line.
    async fn collect(&mut self, time: Duration) {
        let connector = self.connector.clone();
        let collecting = async {
            loop {
                self.unsaid.note(next(&mut self.committed).await);
            }
        };
        tokio::select! {
            never = collecting => never,
            () = connector.pause(time) => {}
        }
    }
}

impl Unsaid {
    fn note(&mut self, committed: Result<Arc<Committed>, RecvError>) {
        match committed {
            Ok(committed) if !self.too_many => {
                self.ids.extend(committed.instances.iter().cloned());
                if self.ids.len() > COLLECTED {
                    self.overflow();
                }
            }
            Ok(_) => {}
            Err(_) => self.overflow(),
        }
    }

    fn overflow(&mut self) {
        self.too_many = true;
        self.ids = HashSet::new();
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.too_many
    }

    fn payloads(&self) -> Vec<String> {
        let packed = payload::pack(self.ids.iter()).filter(|_| !self.too_many);
        packed.unwrap_or_else(|| vec![payload::OVERFLOW.to_owned()])
    }
}

/// What lanes tell next. The line has the other end as well, which is never closed.
async fn next(
    committed: &mut Option<Receiver<Arc<Committed>>>,
) -> Result<Arc<Committed>, RecvError> {
    match committed {
        Some(committed) => committed.recv().await,
        None => std::future::pending().await,
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
) -> Result<(), Broken> {
    match timeout(ANSWER, statement).await {
        Ok(outcome) => Ok(outcome.map(drop).map_err(pg::Error::from)?),
        Err(_) => Err(Broken::Silence),
    }
}
