//! The wiring: which component stands where, and in which order they start and stop.
//!
//! Start: bind, database, toggles, lanes, serve, ready. Stop: readiness turns false, reading halves
//! stop between two messages, lanes write what was taken, answering halves send the last acks, the
//! servers return, and what only serves the lanes (toggles, sweep, database) ends last.

mod doors;

use std::{future::IntoFuture as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use doors::Doors;

use crate::{
    config::Config,
    control::{self, Toggles},
    ingest::{
        self,
        erase::Eraser,
        grpc::Recorder,
        lane::{Lane, Standing, Tell},
        owners,
        queue::{self, Budget},
        refusals::Refusals,
        rest::rerun,
        skipped, sweep,
    },
    lifecycle::{Lifecycle, Phase},
    ops::{self, Probe, Readiness},
    pg::{
        self, Connector, Finding, Level, Pool,
        embedded::{Embedded, Kept},
        migrate::{self, State},
    },
    query::{self, History, rest::stream, watch::Watch},
    rest, server,
};

/// How long a gRPC message that has begun, and the body of a request, may take to arrive.
const MESSAGE_TIME: Duration = Duration::from_secs(10);
/// Toggles this old mean that the database does not answer: they are read twice a second.
const STALE: Duration = Duration::from_secs(5);

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
    prepare(&connector, config, embedded.is_some()).await?;
    let pool = pg::pool(&connector, &config.database);

    let mut registry = ops::metrics::registry();
    pg::metrics::register(&mut registry, &pool);
    let control_metrics = control::Metrics::register(&mut registry);
    let policy = config.control.default_persistence;
    let (toggles, listener) = Toggles::load(connector.clone(), policy, control_metrics).await?;

    let (intake, lanes) = queue::queue(config.ingest.lanes, config.ingest.queue_bytes);
    let standing = Arc::new(Standing::new(config.ingest.lanes));
    let metrics =
        ingest::metrics::Metrics::register(&mut registry, intake.budget(), Arc::clone(&standing));
    let tell = Tell::default();
    let (watch, line) = Watch::new(
        connector.clone(),
        tell.names.subscribe(),
        lifecycle.stopping().clone(),
    );
    let contents = tell.contents.clone();
    let options = ingest::lane::Options {
        connector,
        ingest: config.ingest.clone(),
        database: config.database.clone(),
        toggles: toggles.clone(),
        metrics: metrics.clone(),
        standing: Arc::clone(&standing),
        tell,
    };
    let lanes = lanes
        .into_iter()
        .enumerate()
        .map(|(number, parts)| lifecycle.spawn(Lane::new(number, parts, options.clone()).run()));
    let last = CancellationToken::new();
    lifecycle.spawn(follow(lanes.collect(), last.clone(), lifecycle.clone()));
    lifecycle.spawn(listener.run(last.clone()));
    lifecycle.spawn(line.run(last.clone()));
    lifecycle.spawn(sweep::run(pool.clone(), last));

    let probe = probe(intake.budget().clone(), standing, toggles.clone());
    let limits = Arc::new(config.ingest.clone());
    let refusals = Refusals::new(metrics.clone());
    let (owners, lookup) = owners::owners(pool.clone());
    lifecycle.spawn(lookup.run());
    let (skipped, writer) = skipped::skipped(pool.clone(), lifecycle.stopping().clone());
    lifecycle.spawn(writer.run());
    let rest = ingest::rest::routes(ingest::rest::Recorder {
        intake: intake.clone(),
        toggles: toggles.clone(),
        limits: Arc::clone(&limits),
        places: Arc::new(Semaphore::new(config.listen.max_streams)),
        body_time: MESSAGE_TIME,
        owners,
        skipped,
        metrics: metrics.clone(),
        refusals: refusals.clone(),
        lifecycle: lifecycle.clone(),
    });
    let eraser = Eraser::new(pool.clone(), intake.clone());
    let steps = config.rest.streaming_step.then(|| {
        let clients = config.listen.max_connections;
        stream::Steps::new(contents, pool.clone(), clients, lifecycle.clone())
    });
    let rest = rest
        .merge(rerun::routes(eraser.clone()))
        .merge(stream::routes(steps));
    let recorder = Recorder {
        intake,
        toggles: toggles.clone(),
        limits,
        streams: Arc::new(Semaphore::new(config.listen.max_streams)),
        refusals,
        metrics,
        lifecycle: lifecycle.clone(),
    };
    let (reflection, older_reflection) = ops::grpc::reflection()?;
    let store = control::Store::new(pool.clone(), toggles.clone());
    let history = History::new(pool.clone());
    let rest = rest
        .merge(query::rest::routes(history.clone()))
        .merge(control::rest::routes(store.clone()));
    let grpc = Routes::new(recorder.service())
        .add_service(control::grpc::service(store, toggles, lifecycle))
        .add_service(query::grpc::service(history, deletion(eraser), watch))
        .add_service(ops::grpc::health(Arc::clone(&probe), lifecycle).await)
        .add_service(reflection)
        .add_service(older_reflection)
        .into_axum_router()
        .layer(server::patience(MESSAGE_TIME));
    let admin = ops::health::routes(probe, lifecycle.clone())
        .merge(ops::metrics::routes(Arc::new(registry)));
    let address = doors.serve(grpc, rest::manners(rest), admin, &config.listen, lifecycle);
    lifecycle.enter(Phase::Ready);
    tracing::info!(%address, "serving");
    Ok((address, pool))
}

/// Deletes whoever's instance it is.
fn deletion(eraser: Eraser) -> query::grpc::Delete {
    Arc::new(move |instance| {
        let eraser = eraser.clone();
        Box::pin(async move {
            let deleted = eraser.delete(&instance, None).await;
            let deleted = deleted.map_err(|error| error.status())?;
            Ok(deleted.map(|rows| (rows.attempts, rows.steps)))
        })
    })
}

/// Makes sure of a database that can be worked with. An empty one and our own are migrated; any
/// other is its owner's to migrate.
async fn prepare(connector: &Connector, config: &Config, ours: bool) -> anyhow::Result<()> {
    let client = connector.connect("start", |_| ()).await?;
    let state = migrate::state(&client).await?;
    let connections = config.database.pool_size + config.ingest.lanes + 2;
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

/// Waits for the lanes to end, and then ends what serves them. A lane that ends while the service
/// takes events has failed: the service stops rather than take events it cannot write.
async fn follow(lanes: Vec<JoinHandle<Option<()>>>, last: CancellationToken, lifecycle: Lifecycle) {
    let ended = futures_util::future::join_all(lanes.into_iter().map(|lane| async {
        let failed = lane.into_future().await.is_err();
        if failed || !lifecycle.stopping().is_cancelled() {
            tracing::error!("a lane has ended by a defect; the service stops");
            lifecycle.stop();
        }
    }));
    ended.await;
    last.cancel();
}

/// Ready means: an event sent now will be kept. While there is room it will; without room it must
/// wait for a lane, and a lane in trouble does not come.
fn probe(budget: Budget, standing: Arc<Standing>, toggles: Toggles) -> Probe {
    Arc::new(move || {
        let trouble = standing.trouble();
        let toggles_age = toggles.age();
        let reason = trouble
            .as_ref()
            .filter(|_| budget.is_full())
            .map(|trouble| {
                let remedy = trouble.remedy.unwrap_or("events wait until it is back");
                format!("the queue is full and the database cannot be written to; {remedy}")
            });
        let database = match trouble {
            Some(trouble) => format!("down: {}", trouble.class),
            None if toggles_age > STALE => "down: silence".to_owned(),
            None => "up".to_owned(),
        };
        Readiness {
            ready: reason.is_none(),
            reason,
            database,
            toggles_age,
        }
    })
}
