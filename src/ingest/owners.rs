//! Which app an instance is of. Steps that come over REST do not say, and without their app no
//! toggle holds for them.
//!
//! Starts and ends that passed this server are remembered in a bounded cache. Any other instance is
//! looked up in the tables, many in one statement; one that nobody knows is remembered as such for
//! a second, as its start may be on its way. Nothing here refuses a step: without an answer in time
//! the caller is told so.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::types::Type;

use crate::{
    event::App,
    pg::{self, Pool},
};

const FIND: &str = include_str!("../../sql/ingest/owners_find.sql");

/// Bytes that what is remembered takes, about: 100,000 instances with names of usual lengths.
const KNOWN_BYTES: u64 = 32 << 20;
/// Bytes of an entry besides its names.
const ENTRY_BYTES: usize = 200;
/// How long an instance of which nothing is heard is remembered.
const IDLE: Duration = Duration::from_hours(1);
/// How long an instance counts as one that nobody knows, and how many do.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
const UNKNOWN: u64 = 10_000;
/// Questions that one statement answers, and that may wait for it.
const QUESTIONS: usize = 1_000;
/// How long an answer of the database may take; a step waits as long, and one round more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cheap handle.
#[derive(Clone, Debug)]
pub struct Owners {
    known: Cache<Arc<str>, Arc<App>>,
    unknown: Cache<Arc<str>, ()>,
    questions: mpsc::Sender<Question>,
}

/// What is known of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is of this app.
    Known(Arc<App>),
    /// Neither its start nor its end has come, or only over another protocol and was skipped.
    Unknown,
    /// The database did not say in time.
    Unanswered,
}

/// The loop that asks the database.
#[derive(Debug)]
pub struct Lookup {
    pool: Pool,
    questions: mpsc::Receiver<Question>,
}

#[derive(Debug)]
struct Question {
    instance: Arc<str>,
    answer: oneshot::Sender<Option<Arc<App>>>,
}

/// Owners that are looked up through `pool`, by the loop to run.
pub fn owners(pool: Pool) -> (Owners, Lookup) {
    let weigh = |instance: &Arc<str>, app: &Arc<App>| {
        let bytes = ENTRY_BYTES + instance.len() + app.user.len() + app.app.len();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    };
    let (sender, questions) = mpsc::channel(QUESTIONS);
    let owners = Owners {
        known: Cache::builder()
            .max_capacity(KNOWN_BYTES)
            .weigher(weigh)
            .time_to_idle(IDLE)
            .build(),
        unknown: Cache::builder()
            .max_capacity(UNKNOWN)
            .time_to_live(UNKNOWN_FOR)
            .build(),
        questions: sender,
    };
    (owners, Lookup { pool, questions })
}

impl Owners {
    /// Remembers that `instance` is of `app`.
    pub fn note(&self, instance: &str, app: Arc<App>) {
        self.known.insert(instance.into(), app);
    }

    /// The app of `instance` if it is remembered.
    pub fn remembered(&self, instance: &str) -> Option<Arc<App>> {
        self.known.get(instance)
    }

    /// The app of `instance`, looked up when it is not remembered, until `deadline` at most.
    pub async fn of(&self, instance: &str, deadline: Instant) -> Owner {
        if let Some(app) = self.remembered(instance) {
            return Owner::Known(app);
        }
        if self.unknown.contains_key(instance) {
            return Owner::Unknown;
        }
        let deadline = deadline.min(Instant::now() + PATIENCE * 2);
        match timeout_at(deadline, self.ask(instance)).await {
            Ok(Some(Some(app))) => {
                self.note(instance, Arc::clone(&app));
                Owner::Known(app)
            }
            Ok(Some(None)) => {
                self.unknown.insert(instance.into(), ());
                Owner::Unknown
            }
            Ok(None) | Err(_) => Owner::Unanswered,
        }
    }

    /// What the database knows; none when it could not be asked.
    async fn ask(&self, instance: &str) -> Option<Option<Arc<App>>> {
        let (answer, answered) = oneshot::channel();
        let instance = instance.into();
        let question = Question { instance, answer };
        self.questions.send(question).await.ok()?;
        answered.await.ok()
    }
}

impl Lookup {
    /// Asks until nobody can ask any more. While the database is away questions are dropped, which
    /// is an answer.
    pub async fn run(mut self) {
        let mut questions = Vec::new();
        let mut failing = false;
        while self.questions.recv_many(&mut questions, QUESTIONS).await > 0 {
            let found = match timeout(PATIENCE, find(&self.pool, &questions)).await {
                Ok(found) => found.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            if let Some(error) = found.as_ref().err().filter(|_| !failing) {
                tracing::warn!(
                    error,
                    "apps of instances cannot be looked up; their steps are recorded"
                );
            }
            failing = found.is_err();
            for question in questions.drain(..) {
                if let Ok(found) = &found {
                    // Who asked may have gone.
                    let _ = question
                        .answer
                        .send(found.get(&*question.instance).cloned());
                }
            }
        }
    }
}

async fn find(pool: &Pool, questions: &[Question]) -> Result<HashMap<String, Arc<App>>, pg::Error> {
    let instances: Vec<&str> = questions
        .iter()
        .map(|question| &*question.instance)
        .collect();
    let client = pool.get().await.map_err(pg::Error::from)?;
    let rows = client
        .query_typed(FIND, &[(&instances, Type::TEXT_ARRAY)])
        .await?;
    rows.iter()
        .map(|row| {
            let (user, app) = (row.try_get(1)?, row.try_get(2)?);
            Ok((row.try_get(0)?, Arc::new(App { user, app })))
        })
        .collect()
}
