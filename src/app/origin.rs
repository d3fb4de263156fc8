//! Where events go in the end: the database as it is found at the start, or as it was when it was
//! seen last.

use std::path::Path;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::kept::{Kept, keep};
use crate::{
    config::Config,
    control::{self, Listener, Toggles},
    ingest::spool::{self, Reader, Spool},
    lifecycle::Lifecycle,
    pg::{
        self, Connector, Finding, Level, Retry,
        migrate::{self, Identity, State},
    },
};

/// The database of this run.
#[derive(Debug)]
pub(super) enum Origin {
    /// It answers.
    Here(Identity),
    /// It does not; this is what is known of it.
    Away(Kept),
}

impl Origin {
    /// Makes sure of a database that can be worked with. An empty one and our own are migrated; any
    /// other is its owner's to migrate. One that does not answer is waited for with the spool, when an
    /// earlier run has seen it.
    pub(super) async fn find(
        connector: &Connector,
        config: &Config,
        ours: bool,
    ) -> anyhow::Result<Self> {
        let client = match connector.connect("start", |_| ()).await {
            Ok(client) => client,
            Err(error) if error.retry() == Retry::Backoff && !config.spool.no_spool => {
                return Self::recall(&config.embedded.data_dir, error);
            }
            Err(error) => return Err(error.into()),
        };
        let state = migrate::state(&client).await?;
        match state {
            State::Empty => {
                migrate::migrate(connector, |line| tracing::info!("{line}")).await?;
            }
            State::Behind { .. } if ours => {
                migrate::migrate(connector, |line| tracing::info!("{line}")).await?;
            }
            state => anyhow::ensure!(state.usable(), "{state}"),
        }
        let connections = config.database.connections(config.ingest.lanes);
        report(pg::check(connector, connections).await?)?;
        let identity = migrate::identity(&client).await?;
        Ok(Self::Here(identity))
    }

    fn recall(data_dir: &Path, error: pg::Error) -> anyhow::Result<Self> {
        let path = Kept::path(data_dir);
        let kept = Kept::read(data_dir).with_context(|| {
            format!("{error}; and {} cannot be read: remove it", path.display())
        })?;
        let Some(kept) = kept else {
            return Err(error.into());
        };
        anyhow::ensure!(
            kept.schema_version >= migrate::VERSION,
            "{error}; and its schema was version {} when it was seen last, {} is needed: start when the database is back",
            kept.schema_version,
            migrate::VERSION
        );
        tracing::warn!("{error}; events go to the spool until it is back");
        Ok(Self::Away(kept))
    }

    /// `flowtrail.meta.database_id`.
    pub(super) fn database(&self) -> Uuid {
        match self {
            Self::Here(identity) => identity.database,
            Self::Away(kept) => kept.database_id,
        }
    }

    /// The toggles as they are, or as they were.
    pub(super) async fn toggles(
        &self,
        connector: &Connector,
        config: &Config,
        metrics: control::Metrics,
    ) -> anyhow::Result<(Toggles, Listener)> {
        let (connector, policy) = (connector.clone(), config.control.default_persistence);
        Ok(match self {
            Self::Here(_) => Toggles::load(connector, policy, metrics).await?,
            Self::Away(kept) => {
                let toggles = Toggles::new(policy, kept.apps(), metrics);
                let listener = Listener::new(connector, toggles.clone());
                (toggles, listener)
            }
        })
    }

    /// The spool, unless there is to be none, and a task that keeps what the next start may need.
    pub(super) async fn spool(
        &self,
        config: &Config,
        toggles: &Toggles,
        lifecycle: &Lifecycle,
        last: &CancellationToken,
    ) -> anyhow::Result<Option<(Spool, Reader)>> {
        if config.spool.no_spool {
            return Ok(None);
        }
        let data_dir = config.embedded.data_dir.clone();
        let options = spool::Options {
            dir: data_dir.join("spool"),
            limit_bytes: config.spool.spool_bytes as u64,
            segment_bytes: spool::SEGMENT_BYTES,
            database: self.database(),
        };
        let opened = tokio::task::spawn_blocking(move || Spool::open(options)).await?;
        let opened = opened.map_err(explain)?;
        let kept = match self {
            Self::Here(_) => {
                let kept = Kept::new(self.database(), migrate::VERSION, toggles.apps());
                let path = Kept::path(&data_dir);
                kept.write(&data_dir)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                kept
            }
            Self::Away(kept) => kept.clone(),
        };
        lifecycle.spawn(keep(kept, data_dir, toggles.clone(), last.clone()));
        Ok(Some(opened))
    }
}

/// The remedy that only who starts a service knows.
fn explain(error: spool::Error) -> anyhow::Error {
    match error {
        spool::Error::Disk { .. } => anyhow::anyhow!(
            "{error}; make --data-dir writable, or leave the spool out with --no-spool"
        ),
        error => error.into(),
    }
}

fn report(findings: Vec<Finding>) -> anyhow::Result<()> {
    for Finding {
        subject,
        level,
        found,
        remedy,
    } in findings
    {
        let remedy = remedy.unwrap_or_default();
        match level {
            Level::Ok => {}
            Level::Warning => tracing::info!("{subject}: {found}; {remedy}"),
            Level::Failure => anyhow::bail!("{subject}: {found}; {remedy}"),
        }
    }
    Ok(())
}
