//! The wiring: which component stands where, and in which order they start and stop.
//!
//! Start: bind, database, toggles, lanes, serve, ready. Stop: readiness turns false, reading halves
//! stop between two messages, lanes write what was taken, answering halves send the last acks, the
//! servers return, and what only serves the lanes (toggles, sweep, database) ends last.

mod doors;
pub mod drain;
mod kept;
mod origin;
mod way_in;
mod way_out;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use uuid::Uuid;

use doors::Doors;
use origin::Origin;

use crate::{
    config::Config,
    control::{self, Toggles},
    ingest::{self, spool::Spool},
    lifecycle::{Lifecycle, Phase},
    ops,
    pg::{
        self, Connector, Pool,
        embedded::{self, Embedded},
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
    embedded: Option<embedded::Kept>,
    spool: Option<Spool>,
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
        Ok((address, pool, spool)) => Ok(Running {
            lifecycle,
            address,
            pool,
            embedded,
            spool,
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
        if let Some(spool) = self.spool {
            let left = spool.pending();
            if left > 0 {
                tracing::info!(
                    events = left,
                    "events stay in the spool until the next start"
                );
            }
            spool.close().await;
        }
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
    database: Uuid,
    pool: Pool,
    toggles: Toggles,
    spool: Option<Spool>,
    lifecycle: &'a Lifecycle,
    /// Ends what serves the lanes, once they have ended.
    last: CancellationToken,
}

impl Base<'_> {
    /// Events that were taken and are not in the tables yet.
    fn pending(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let spool = self.spool.clone();
        move || spool.as_ref().map_or(0, Spool::pending)
    }
}

async fn assemble(
    config: &Config,
    embedded: Option<&embedded::Kept>,
    lifecycle: &Lifecycle,
    doors: Doors,
) -> anyhow::Result<(SocketAddr, Pool, Option<Spool>)> {
    let connector = match embedded {
        Some(embedded) => embedded.connector(),
        None => Connector::configured(&config.database)?.context("no database is configured")?,
    };
    let last = CancellationToken::new();
    if let Some(lookout) = connector.lookout() {
        lifecycle.spawn(lookout.run(last.clone()));
    }
    let origin = Origin::find(&connector, config, embedded.is_some()).await?;
    let pool = pg::pool(&connector, &config.database);

    let mut registry = ops::metrics::registry();
    pg::metrics::register(&mut registry, &pool);
    let control_metrics = control::Metrics::register(&mut registry);
    let (toggles, listener) = origin.toggles(&connector, config, control_metrics).await?;
    let (spool, reader) = match origin.spool(config, &toggles, lifecycle, &last).await? {
        Some((spool, reader)) => (Some(spool), Some(reader)),
        None => (None, None),
    };

    let base = Base {
        config,
        connector,
        database: origin.database(),
        pool: pool.clone(),
        toggles: toggles.clone(),
        spool: spool.clone(),
        lifecycle,
        last,
    };
    let way_in = base.way_in(&mut registry, reader);
    let way_out = base.way_out(&way_in);
    lifecycle.spawn(listener.run(base.last.clone()));

    let (reflection, older_reflection) = ops::grpc::reflection()?;
    let store = control::Store::new(pool.clone(), toggles.clone());
    let rest = way_in
        .rest
        .merge(way_out.rest)
        .merge(control::rest::routes(store.clone()));
    let rest = rest::manners(rest.merge(ingest::rest::routes(&way_in.poster)));
    let poster = way_in.poster;
    let post = move |request| ingest::rest::post(&poster, request);
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
    let address = doors.serve(grpc, rest, post, admin, &config.listen, lifecycle);
    lifecycle.enter(Phase::Ready);
    tracing::info!(%address, "serving");
    Ok((address, pool, spool))
}
