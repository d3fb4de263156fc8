//! The app that a step's instance belongs to, looked up where the step does not say it.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::time::timeout;
use tokio_postgres::types::Type;

use crate::{
    event::App,
    pg::{self, Pool},
};

/// Instances remembered.
const INSTANCES: u64 = 10_000;
/// How long an instance whose start is not stored stays one of no app; the start may come later.
const UNKNOWN: Duration = Duration::from_secs(1);
/// How long the database may take; steps wait behind it.
const ANSWER: Duration = Duration::from_secs(2);

/// A lookup with a memory; cheap to clone.
#[derive(Clone)]
pub(super) struct Apps {
    pool: Pool,
    known: Cache<Arc<str>, Arc<App>>,
    unknown: Cache<Arc<str>, ()>,
}

impl Apps {
    pub(super) fn new(pool: Pool) -> Self {
        let unknown = Cache::builder()
            .max_capacity(INSTANCES)
            .time_to_live(UNKNOWN);
        Self {
            pool,
            known: Cache::new(INSTANCES),
            unknown: unknown.build(),
        }
    }

    /// The app of an instance; none when no start of it is stored, or the database does not answer.
    pub(super) async fn of(&self, instance: &Arc<str>) -> Option<Arc<App>> {
        if let Some(app) = self.known.get(instance) {
            return Some(app);
        }
        if self.unknown.contains_key(instance) {
            return None;
        }
        let app = match timeout(ANSWER, self.ask(instance)).await {
            Ok(Ok(app)) => app.map(Arc::new),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the app of an instance is not known");
                None
            }
            Err(_) => None,
        };
        match &app {
            Some(app) => self.known.insert(Arc::clone(instance), Arc::clone(app)),
            None => self.unknown.insert(Arc::clone(instance), ()),
        }
        app
    }

    async fn ask(&self, instance: &str) -> Result<Option<App>, pg::Error> {
        let client = self.pool.get().await.map_err(pg::Error::from)?;
        let sql = include_str!("../../../../sql/query/app_of.sql");
        let rows = client.query_typed(sql, &[(&instance, Type::TEXT)]).await?;
        let text = |column| rows.first()?.get::<_, Option<String>>(column);
        let both = text("userid").zip(text("appname"));
        Ok(both.map(|(user, app)| App { user, app }))
    }
}
