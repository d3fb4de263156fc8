//! The tables are a function of the set of events: any order, any batching, duplicates, two writers
//! at once give the rows that a model of the rules gives.

mod event;
mod fold;
mod model;
mod orders;
mod sent;
mod stored;
mod world;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use flowtrail::{
    app::Running,
    event::Micros,
    ingest::{cut, sweep},
    proto::event::Kind,
};
use futures_util::future::join_all;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::Client;

use crate::support::{self, Stream, TestDatabase, http};
use model::History;
use world::{Act, World};

/// Longer than a lane waits for anybody's lock.
const HANG: Duration = Duration::from_secs(30);

/// Some services on one database, and a stream of each source to each of them.
struct Writers {
    services: Vec<Running>,
    /// By service, then by source.
    streams: Vec<Vec<Mutex<Stream>>>,
    client: Client,
    cases: AtomicUsize,
    database: TestDatabase,
}

/// Events that go in one chunk, and whether it is marked as resent.
#[derive(Clone, Default)]
struct Chunk {
    kinds: Vec<Kind>,
    resent: bool,
}

impl Writers {
    /// So many services that take `flags`.
    async fn start(services: usize, flags: &[&str]) -> Self {
        let database = support::database().await;
        let client = database.client().await;
        // two writers that meet in a deadlock are told soon; without the right to set this the test is slow
        let soon = format!(
            "alter database {} set deadlock_timeout = '20ms'",
            database.name
        );
        let _ = client.batch_execute(&soon).await;
        let mut writers = Self {
            services: Vec::new(),
            streams: Vec::new(),
            client,
            cases: AtomicUsize::new(0),
            database,
        };
        for _ in 0..services {
            let service = support::serve(&writers.database.url, flags).await;
            let mut streams = Vec::new();
            for source in world::sources() {
                let (stream, _) = Stream::greet(service.local_addr(), source.hello()).await;
                streams.push(Mutex::new(stream));
            }
            writers.services.push(service);
            writers.streams.push(streams);
        }
        writers
    }

    /// Plays a world, all that lies between two cuts at once, and compares the tables with the model's.
    async fn check(&self, world: &World) -> Result<(), String> {
        let case = self.cases.fetch_add(1, Ordering::Relaxed);
        self.play(case, world).await?;
        self.compare(&world.histories(case)).await
    }

    async fn play(&self, case: usize, world: &World) -> Result<(), String> {
        if let Some((instance, at)) = world.deleted {
            let delete = "insert into flowtrail.cuts (flowinstanceid, kind, fromstep, asked_at, cut_at)
                select $1, 'deleted', 0, t, t from (select timestamp 'epoch' + $2 * interval '1 second' as t) t";
            let id = world::id(case, instance);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let at = at as f64;
            self.client.execute(delete, &[&id, &at]).await.unwrap();
        }
        let mut reports = Vec::new();
        for act in &world.acts {
            match act {
                Act::Report(report) => reports.push(report),
                Act::Cut {
                    instance,
                    from,
                    asked_at,
                } => {
                    self.deliver(case, &std::mem::take(&mut reports)).await?;
                    let asked_at = Micros::from_unix("asked_at", *asked_at, 0).unwrap();
                    let from = u32::try_from(*from).unwrap();
                    let id = world::id(case, *instance);
                    let pool = self.services[0].pool();
                    // a sweep may stand in its way, as it may in a rerun's
                    while let Err(error) = cut::make(pool, &id, from, asked_at).await {
                        tracing::info!(%error, "cut again");
                    }
                }
            }
        }
        self.deliver(case, &reports).await
    }

    async fn compare(&self, histories: &BTreeMap<String, History>) -> Result<(), String> {
        let expected = model::tables(histories);
        let instances = histories.keys().cloned().collect();
        let mut difference = None;
        // the services sweep too, and while one is at it another sweep does nothing
        for pause in [0, 50, 100, 200] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            for service in &self.services {
                if let Err(error) = sweep::sweep(service.pool()).await {
                    tracing::info!(%error, "swept again");
                }
            }
            let found = stored::tables(&self.client, &instances).await;
            difference = stored::difference(&expected, &found);
            if difference.is_none() {
                break;
            }
        }
        difference.map_or(Ok(()), Err)
    }

    /// Sends the reports through all streams at once and waits for every ack.
    async fn deliver(&self, case: usize, reports: &[&world::Report]) -> Result<(), String> {
        let mut queues: BTreeMap<(usize, usize), Vec<Chunk>> = BTreeMap::new();
        let services = self.services.len();
        for report in reports {
            let kind = report.what.kind(case, report.instance);
            for writer in [report.writer, report.writer + 1]
                .iter()
                .take(1 + usize::from(report.twice))
            {
                let stream = (writer % services, report.what.source());
                let queue = queues
                    .entry(stream)
                    .or_insert_with(|| vec![Chunk::default()]);
                let chunk = queue.last_mut().expect("made with one");
                chunk.kinds.push(kind.clone());
                chunk.resent |= report.resent;
                if report.closes {
                    queue.push(Chunk::default());
                }
            }
        }
        let sent = queues
            .into_iter()
            .map(|((service, source), chunks)| async move {
                let mut stream = self.streams[service][source].lock().await;
                send(&mut stream, &chunks).await
            });
        let sent = timeout(HANG, join_all(sent)).await;
        let sent = sent.map_err(|_| "a writer hangs".to_owned())?;
        sent.into_iter().collect()
    }

    /// No writer met anything but another writer.
    async fn judge(&self) {
        for service in &self.services {
            let address: SocketAddr = service.local_addr();
            let (_, metrics) = http(address, "/metrics").await.unwrap();
            let failures: Vec<_> = metrics
                .lines()
                .filter(|line| line.starts_with("flowtrail_ingest_write_failures_total"))
                .collect();
            for class in ["refused", "operator", "connect", "silence", "doubtful"] {
                let named = format!("class=\"{class}\"");
                assert!(
                    !failures.iter().any(|line| line.contains(&named)),
                    "{failures:?}"
                );
            }
        }
    }

    async fn stop(self) {
        drop(self.streams);
        for service in self.services {
            service.stop().await.unwrap();
        }
    }
}

/// Sends chunks and waits for their acks, which must account for every event.
async fn send(stream: &mut Stream, chunks: &[Chunk]) -> Result<(), String> {
    let mut last = None;
    let mut events = 0;
    for chunk in chunks.iter().filter(|chunk| !chunk.kinds.is_empty()) {
        let kinds = chunk.kinds.iter().cloned();
        last = Some(stream.chunk_marked(chunk.resent, kinds).await);
        events += chunk.kinds.len() as u64;
    }
    let mut answered = 0;
    while let Some(sequence) = last {
        let ack = stream.ack().await;
        answered += ack.recorded + ack.superseded;
        if !ack.rejections.is_empty() {
            return Err(format!("{:?}", ack.rejections));
        }
        if ack.through_sequence == sequence {
            break;
        }
    }
    if answered == events {
        Ok(())
    } else {
        Err(format!("{answered} of {events} events answered"))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn any_events_in_any_order_by_two_writers_give_the_rows_of_the_model() {
    let runtime = runtime();
    let writers = runtime.block_on(Writers::start(2, &[]));
    let config = Config {
        cases: 160,
        failure_persistence: None,
        max_shrink_iters: 600,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&world::world(), |world| {
        let checked = runtime.block_on(writers.check(&world));
        checked.map_err(TestCaseError::fail)
    });
    runtime.block_on(writers.judge());
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    runtime.block_on(writers.stop());
}
