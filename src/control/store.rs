//! Reading and changing decisions in the table itself.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::time::timeout;
use tokio_postgres::{Row, types::Type};

use super::{App, Error, Toggles};
use crate::pg;

const LIST: &str = include_str!("../../sql/control/list.sql");
const APP: &str = include_str!("../../sql/control/app.sql");
const SET: &str = include_str!("../../sql/control/set.sql");

/// How long a call may take, the wait for a connection included.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a change waits for its own snapshot to show it.
const RELOAD: Duration = Duration::from_secs(1);

/// The decisions in the table; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    toggles: Toggles,
}

impl Store {
    /// A store over `pool` that tells `toggles` of its changes.
    #[must_use]
    pub fn new(pool: Pool, toggles: Toggles) -> Self {
        Self { pool, toggles }
    }

    /// The apps of `user`, or all, by user and name, as they are in the table now.
    ///
    /// # Errors
    /// When the database is away or refuses.
    pub async fn list(&self, user: Option<&str>) -> Result<Vec<App>, Error> {
        within(async {
            let client = self.pool.get().await?;
            let rows = client.query_typed(LIST, &[(&user, Type::TEXT)]).await?;
            Ok(rows.iter().map(app).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One app as it is in the table now; none that was neither seen nor decided on.
    ///
    /// # Errors
    /// When the database is away or refuses.
    pub async fn app(&self, user: &str, app: &str) -> Result<Option<App>, Error> {
        within(async {
            let client = self.pool.get().await?;
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&user, Type::TEXT), (&app, Type::TEXT)];
            let rows = client.query_typed(APP, &values).await?;
            Ok(rows.first().map(self::app).transpose()?)
        })
        .await
    }

    /// Decides whether `app` is recorded and returns it as it is then. Once this returns, this
    /// process goes by the decision (unless its toggles cannot be read: then as soon as they can).
    ///
    /// # Errors
    /// When the database is away or refuses; after [`Error::Timeout`] the decision may hold.
    pub async fn set(&self, user: &str, app: &str, enabled: bool) -> Result<App, Error> {
        let decided = within(async {
            let client = self.pool.get().await?;
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
                (&user, Type::TEXT),
                (&app, Type::TEXT),
                (&enabled, Type::BOOL),
            ];
            let rows = client.query_typed(SET, &values).await;
            let rows = rows.inspect_err(|error| pg::leave(&self.pool, error))?;
            Ok(rows.first().map(self::app).transpose()?)
        })
        .await?;
        if timeout(RELOAD, self.toggles.reloaded()).await.is_err() {
            tracing::debug!("a decision is stored, the snapshot does not show it yet");
        }
        Ok(decided.unwrap_or_else(|| App {
            user: user.into(),
            app: app.into(),
            version: None,
            decision: Some(enabled),
        }))
    }
}

/// An app from a row of `load`, `list` or `set`.
pub(super) fn app(row: &Row) -> Result<App, tokio_postgres::Error> {
    Ok(App {
        user: row.try_get(0)?,
        app: row.try_get(1)?,
        version: row.try_get(2)?,
        decision: row.try_get(3)?,
    })
}

async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(ANSWER, call)
        .await
        .unwrap_or(Err(Error::Timeout(ANSWER)))
}
