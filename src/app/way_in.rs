//! The way in: lanes, what serves them, and the faces that take events.

use std::{future::IntoFuture as _, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Base, MESSAGE_TIME};
use crate::{
    control::Toggles,
    ingest::{
        self,
        erase::Eraser,
        grpc::Recorder,
        lane::{Lane, Standing, Tell},
        owners,
        queue::{self, Budget},
        refusals::Refusals,
        rest::rerun,
        skipped,
        spool::{self, Reader, Spool, drain},
        sweep,
    },
    lifecycle::Lifecycle,
    ops::{Probe, Readiness},
};

/// Toggles this old mean that the database does not answer: they are read twice a second.
const STALE: Duration = Duration::from_secs(5);

/// The open way in.
pub(super) struct WayIn {
    pub(super) recorder: Recorder,
    pub(super) rest: axum::Router,
    pub(super) poster: Arc<ingest::rest::Recorder>,
    pub(super) eraser: Eraser,
    pub(super) tell: Tell,
    pub(super) probe: Probe,
}

impl Base<'_> {
    /// Starts the lanes and what serves them.
    pub(super) fn way_in(&self, registry: &mut Registry, reader: Option<Reader>) -> WayIn {
        let Self {
            config, lifecycle, ..
        } = self;
        let (intake, lanes) = queue::queue(config.ingest.lanes, config.ingest.queue_bytes());
        let standing = Arc::new(Standing::new(config.ingest.lanes));
        let metrics = ingest::metrics::Metrics::register(registry, &intake, Arc::clone(&standing));
        if let Some(spool) = &self.spool {
            spool::metrics::register(registry, spool);
        }
        let tell = Tell::default();
        let options = ingest::lane::Options {
            connector: self.connector.clone(),
            origin: self.database,
            spool: (self.spool.clone()).map(|spool| (spool, config.spool.spool_after)),
            ingest: config.ingest.clone(),
            database: config.database.clone(),
            toggles: self.toggles.clone(),
            metrics: metrics.clone(),
            standing: Arc::clone(&standing),
            tell: tell.clone(),
        };
        let drained = match reader {
            Some(reader) => {
                let (drain, drained) = drain::drain(reader, lanes.len(), &intake);
                lifecycle.spawn(drain.run(lifecycle.stopping().clone()));
                drained
            }
            None => drain::nothing(lanes.len()),
        };
        let lanes = lanes.into_iter().zip(drained).enumerate();
        let lanes = lanes.map(|(number, (inbox, drained))| {
            lifecycle.spawn(Lane::new(number, inbox, drained, options.clone()).run())
        });
        let lanes = lanes.collect();
        drop(options);
        let (last, stopping) = (self.last.clone(), lifecycle.stopping().clone());
        lifecycle.spawn(follow(lanes, last.clone(), (*lifecycle).clone()));
        lifecycle.spawn(sweep::run(self.pool.clone(), last));
        let (owners, lookup) = owners::owners(self.pool.clone());
        lifecycle.spawn(lookup.run());
        let (skipped, writer) = skipped::skipped(self.pool.clone(), stopping);
        lifecycle.spawn(writer.run());

        let limits = Arc::new(config.ingest.clone());
        let refusals = Refusals::new(metrics.clone());
        let eraser = Eraser::new(self.pool.clone(), intake.clone()).with_pending(self.pending());
        let probe = probe(
            intake.budget().clone(),
            standing,
            self.toggles.clone(),
            self.spool.clone(),
        );
        let poster = Arc::new(ingest::rest::Recorder {
            intake: intake.clone(),
            toggles: self.toggles.clone(),
            limits: Arc::clone(&limits),
            places: Arc::new(Semaphore::new(config.listen.max_streams)),
            body_time: MESSAGE_TIME,
            owners,
            skipped,
            metrics: metrics.clone(),
            refusals: refusals.clone(),
            lifecycle: (*lifecycle).clone(),
        });
        let recorder = Recorder {
            intake,
            toggles: self.toggles.clone(),
            limits,
            streams: Arc::new(Semaphore::new(config.listen.max_streams)),
            refusals,
            metrics,
            lifecycle: (*lifecycle).clone(),
        };
        WayIn {
            recorder,
            rest: rerun::routes(eraser.clone()),
            poster,
            eraser,
            tell,
            probe,
        }
    }
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
/// wait for a lane, and a lane in trouble whose batches no spool takes does not come.
fn probe(budget: Budget, standing: Arc<Standing>, toggles: Toggles, spool: Option<Spool>) -> Probe {
    Arc::new(move || {
        let trouble = standing.trouble();
        let toggles_age = toggles.age();
        let spool = spool.as_ref().map(Spool::status);
        let takes = spool.as_ref().is_some_and(|spool| spool.takes);
        let reason = trouble
            .as_ref()
            .filter(|_| budget.is_full() && !takes)
            .map(|trouble| {
                let spool = spool.map_or("", |_| ", nor does the spool take anything");
                let remedy = trouble.remedy.unwrap_or("events wait until it is back");
                format!("the queue is full and the database cannot be written to{spool}; {remedy}")
            });
        let database = match trouble {
            Some(trouble) => format!("down: {}", trouble.class),
            None if toggles_age > STALE || !toggles.are_read() => "down: silence".to_owned(),
            None => "up".to_owned(),
        };
        Readiness {
            ready: reason.is_none(),
            reason,
            database,
            spooled_events: spool.map(|spool| spool.events),
            toggles_age,
        }
    })
}
