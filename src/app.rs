//! The wiring: which component stands where, and in which order they start and stop.
//!
//! Start: bind, database, toggles, lanes, serve, ready. Stop: readiness turns false, reading halves
//! stop between two messages, lanes write what was taken, answering halves send the last acks, the
//! servers return, and what only serves the lanes (toggles, sweep, database) ends last.

mod doors;
mod way_in;
mod way_out;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use doors::Doors;

use crate::{
    config::Config,
    control::{self, Toggles},
    lifecycle::{Lifecycle, Phase},
    ops,
    pg::{
        self, Connector, Finding, Level, Pool,
        embedded::{Embedded, Kept},
        migrate::{self, State},
    },
    rest, server,
};

/// How long a gRPC message that has begun, and the body of a request, may take to arrive.
const MESSAGE_TIME: Duration = Duration::from_secs(10);

/// The running service.
#[derive(Debug)]
pub struct Running {
    lifecycle: Lifecycle,
    address: SocketAddr,
    pool: Pool,
    embedded: Option<Kept>,
    patience: Duration,
}

/// Starts everything and returns when it is ready.
///
/// # Errors
/// One line with its remedy; nothing is left running.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let doors = Doors::open(&config.listen).await?;
    let embedded = if Connector::configured(&config.database)?.is_some() {
        None
    } else {
        let embedded = Embedded::start(&config.embedded, &config.database).await?;
        Some(embedded.keep())
    };
    let lifecycle = Lifecycle::default();
    match assemble(&config, embedded.as_ref(), &lifecycle, doors).await {
        Ok((address, pool)) => Ok(Running {
            lifecycle,
            address,
            pool,
            embedded,
            patience: config.listen.shutdown_timeout,
        }),
        Err(error) => {
            lifecycle.abort();
            if let Some(embedded) = embedded {
                embedded.stop().await?;
            }
            Err(error)
        }
    }
}

impl Running {
    /// Where gRPC is served.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connections for queries.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Its phase and its stop.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Drains, within `--shutdown-timeout`, and stops everything.
    ///
    /// # Errors
    /// When something taken could not be finished; its senders were told, or have no ack.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.lifecycle.stop();
        let drained = self.lifecycle.join(self.patience).await;
        self.pool.close();
        if let Some(embedded) = self.embedded {
            embedded.stop().await?;
        }
        self.lifecycle.enter(Phase::Stopped);
        anyhow::ensure!(
            drained,
            "stopped before everything taken was written; what was not acknowledged must be sent again"
        );
        Ok(())
    }
}

/// What both ways stand on.
struct Base<'a> {
    config: &'a Config,
    connector: Connector,
    pool: Pool,
    toggles: Toggles,
    lifecycle: &'a Lifecycle,
    /// Ends what serves the lanes, once they have ended.
    last: CancellationToken,
}

async fn assemble(
    config: &Config,
    embedded: Option<&Kept>,
    lifecycle: &Lifecycle,
    doors: Doors,
) -> anyhow::Result<(SocketAddr, Pool)> {
    let connector = match embedded {
        Some(embedded) => embedded.connector(),
        None => Connector::configured(&config.database)?.context("no database is configured")?,
    };
    let last = CancellationToken::new();
    if let Some(lookout) = connector.lookout() {
        lifecycle.spawn(lookout.run(last.clone()));
    }
    prepare(&connector, config, embedded.is_some()).await?;
    let pool = pg::pool(&connector, &config.database);

    let mut registry = ops::metrics::registry();
    pg::metrics::register(&mut registry, &pool);
    let control_metrics = control::Metrics::register(&mut registry);
    let policy = config.control.default_persistence;
    let (toggles, listener) = Toggles::load(connector.clone(), policy, control_metrics).await?;

    let base = Base {
        config,
        connector,
        pool: pool.clone(),
        toggles: toggles.clone(),
        lifecycle,
        last,
    };
    let way_in = base.way_in(&mut registry);
    let way_out = base.way_out(&way_in);
    lifecycle.spawn(listener.run(base.last.clone()));

    let (reflection, older_reflection) = ops::grpc::reflection()?;
    let store = control::Store::new(pool.clone(), toggles.clone());
    let rest = way_in
        .rest
        .merge(way_out.rest)
        .merge(control::rest::routes(store.clone()));
    let grpc = Routes::new(way_in.recorder.service())
        .add_service(control::grpc::service(store, toggles, lifecycle))
        .add_service(way_out.history)
        .add_service(ops::grpc::health(Arc::clone(&way_in.probe), lifecycle).await)
        .add_service(reflection)
        .add_service(older_reflection)
        .into_axum_router()
        .layer(server::patience(MESSAGE_TIME));
    let admin = ops::health::routes(way_in.probe, lifecycle.clone())
        .merge(ops::metrics::routes(Arc::new(registry)));
    let address = doors.serve(grpc, rest::manners(rest), admin, &config.listen, lifecycle);
    lifecycle.enter(Phase::Ready);
    tracing::info!(%address, "serving");
    Ok((address, pool))
}

/// Makes sure of a database that can be worked with. An empty one and our own are migrated; any
/// other is its owner's to migrate.
async fn prepare(connector: &Connector, config: &Config, ours: bool) -> anyhow::Result<()> {
    let client = connector.connect("start", |_| ()).await?;
    let state = migrate::state(&client).await?;
    let connections = config.database.pool_size + config.ingest.lanes + 2;
    let connections = connections + usize::from(connector.lookout().is_some());
    match state {
        State::Empty => {
            migrate::migrate(connector, |line| tracing::info!("{line}")).await?;
        }
        State::Behind { .. } if ours => {
            migrate::migrate(connector, |line| tracing::info!("{line}")).await?;
        }
        state => anyhow::ensure!(state.usable(), "{state}"),
    }
    let findings = pg::check(connector, connections).await?;
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
