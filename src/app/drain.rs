//! The spool written into the database without a service: its lanes, and nothing that takes events.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::{self, Policy},
    control::{self, Toggles},
    ingest::{
        self,
        lane::{Lane, Standing, Tell, Trouble},
        queue,
        spool::{self, Reader, Spool, drain},
    },
    lifecycle::Lifecycle,
    ops,
    pg::{Connector, migrate},
};

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long lanes may take to end with the transaction they are in.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a spool is drained with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The spool's directory.
    pub dir: PathBuf,
    /// How the database is reached.
    pub connector: Connector,
    /// Its timeouts.
    pub database: config::Database,
    /// Lanes, and what a transaction may write.
    pub ingest: config::Ingest,
}

/// How far it is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Events written or refused.
    pub events: u64,
    /// Those of them that the database refused; they are in `rejected/`.
    pub rejected: u64,
    /// Events that are left.
    pub left: u64,
    /// What the database is waited for.
    pub trouble: Option<Trouble>,
}

/// Writes everything that the spool holds, and what is to be tried again, until that is done or
/// `stop` is cancelled. `report` is told how far it is, several times a second.
///
/// # Errors
/// One line with its remedy before anything was written: the spool is in use, is for another
/// database, or cannot be read; the database cannot be reached or worked with.
pub async fn run(
    options: Options,
    stop: CancellationToken,
    report: impl FnMut(&Progress),
) -> anyhow::Result<Progress> {
    let origin = identify(&options.connector).await?;
    let toggles = control::Metrics::default();
    let policy = Policy::Enabled;
    let (toggles, _) = Toggles::load(options.connector.clone(), policy, toggles).await?;
    let (spool, reader) = open(options.dir.clone(), origin).await?;
    let lifecycle = Lifecycle::default();
    let standing = Arc::new(Standing::new(options.ingest.lanes));
    let dir = options.dir.clone();
    let spooled = (&spool, reader);
    let (intake, mut draining) = start(options, origin, toggles, &standing, spooled, &lifecycle);
    let watched = tokio::select! {
        watched = watch(&dir, &spool, &standing, stop, report) => watched,
        _ = &mut draining => Err(anyhow::anyhow!(
            "a writer has ended by a defect; what is left stays in the spool"
        )),
    };
    lifecycle.stop();
    drop(intake);
    lifecycle.join(PATIENCE).await;
    let last = look(&spool, &standing);
    spool.close().await;
    watched.map(|()| last)
}

/// The database's id, if it can be worked with.
async fn identify(connector: &Connector) -> anyhow::Result<Uuid> {
    let client = connector.connect("drain", |_| ()).await?;
    let state = migrate::state(&client).await?;
    anyhow::ensure!(state.usable(), "{state}");
    let identity = migrate::identity(&client).await;
    Ok(identity
        .context("cannot read which database this is")?
        .database)
}

async fn open(dir: PathBuf, database: Uuid) -> anyhow::Result<(Spool, Reader)> {
    let options = spool::Options {
        dir,
        // only rows that are tried again are added
        limit_bytes: i64::MAX.unsigned_abs(),
        segment_bytes: spool::SEGMENT_BYTES,
        database,
    };
    let opened = tokio::task::spawn_blocking(move || Spool::open(options)).await?;
    Ok(opened?)
}

/// Starts the lanes and what gives them the spool's records, which goes on until the lifecycle
/// stops. Lanes end when the intake is dropped.
fn start(
    options: Options,
    origin: Uuid,
    toggles: Toggles,
    standing: &Arc<Standing>,
    (spool, reader): (&Spool, Reader),
    lifecycle: &Lifecycle,
) -> (queue::Intake, JoinHandle<Option<()>>) {
    let Options {
        connector,
        database,
        ingest,
        ..
    } = options;
    let (intake, inboxes) = queue::queue(ingest.lanes, ingest.queue_bytes());
    let mut registry = ops::metrics::registry();
    let metrics = ingest::metrics::Metrics::register(&mut registry, &intake, Arc::clone(standing));
    let options = ingest::lane::Options {
        connector,
        origin,
        // nothing comes in that could go there
        spool: Some((spool.clone(), PATIENCE)),
        ingest,
        database,
        toggles,
        metrics,
        standing: Arc::clone(standing),
        tell: Tell::default(),
    };
    let (drain, drained) = drain::drain(reader, inboxes.len(), &intake);
    let draining = lifecycle.spawn(drain.run(lifecycle.stopping().clone()));
    for (number, (inbox, drained)) in inboxes.into_iter().zip(drained).enumerate() {
        lifecycle.spawn(Lane::new(number, inbox, drained, options.clone()).run());
    }
    (intake, draining)
}

/// Returns when nothing is left, or `stop` is cancelled.
async fn watch(
    dir: &Path,
    spool: &Spool,
    standing: &Standing,
    stop: CancellationToken,
    mut report: impl FnMut(&Progress),
) -> anyhow::Result<()> {
    let mut ticks = interval(TICK);
    // rows to be tried again are taken up by and by
    let begun = Instant::now();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        report(&look(spool, standing));
        let empty = spool.status().records == 0;
        if empty && begun.elapsed() > TICK && spool::waiting(dir)? == 0 {
            // what was taken up between the two looks is counted before its file is gone
            if spool.status().records == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn look(spool: &Spool, standing: &Standing) -> Progress {
    let status = spool.status();
    Progress {
        events: status.drained,
        rejected: status.rejected,
        left: status.events,
        trouble: standing.trouble(),
    }
}
