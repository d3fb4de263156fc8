//! How near the service comes to the limit, raw binary COPY of the same rows into the same table, and
//! what it does beside: REST, time to the ack, a large table, reading.
//!
//! Everything is in one run, both sides in turn, so that the machine's moods hit both. PostgreSQL, the
//! server and the load generator are processes of their own on this machine and share its cores.
//! Writes `bench/RESULTS.md`.
//!
//! `BENCH_PAIRS` (8 rounds of each side), `BENCH_ROWS` (300,000 rows a round) and `BENCH_PRESENT`
//! (10,000,000 steps in the large table) change the size.

#![expect(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program that prints rates"
)]

mod copy;
mod machine;
mod rates;
mod reading;
mod results;
mod rig;
#[path = "../support/number.rs"]
mod support;

use std::time::Instant;

use copy::{Rows, Way};
use rates::Rounds;
use results::{Latency, Results, Side};
use rig::{Rig, Service};
use support::number;

/// Rounds that are not counted: the first ones make the WAL's files.
const WARM_UPS: usize = 2;
/// Seconds for which acks are measured at half the rate, and how often.
const AT_HALF_RATE: f64 = 10.0;
const RUNS_AT_HALF_RATE: usize = 5;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let rig = Rig::start().await?;
        let measured = measure(&rig).await;
        rig.stop().await?;
        let text = measured?.text();
        let file = rig::results().join("RESULTS.md");
        std::fs::create_dir_all(rig::results())?;
        std::fs::write(&file, &text)?;
        eprintln!("{text}\nwritten to {}", file.display());
        anyhow::Ok(())
    })
}

struct Bench {
    service: Service,
    pairs: usize,
    /// By payload: the rates of all ways of raw COPY.
    ways: Vec<(&'static str, Vec<(Way, f64)>)>,
}

async fn measure(rig: &Rig) -> anyhow::Result<Results> {
    let pairs = number("BENCH_PAIRS", 8).max(1);
    let rows = number("BENCH_ROWS", 300_000).max(10_000);
    let present = number("BENCH_PRESENT", 10_000_000);
    let service = rig.service("small").await?;
    let machine = machine::describe(&service).await?;

    let mut bench = Bench {
        service,
        pairs,
        ways: Vec::new(),
    };
    let (recorded, flows, steps) = bench.recorded(rows).await?;
    let mut sides = bench.rest(rows / 8).await?;
    for (payload, bytes, larger) in [("4k", 4 << 10, 5), ("32k", 32 << 10, 40)] {
        sides.extend(bench.sized(payload, bytes, rows, larger).await?);
    }
    let half = bench.half(rows).await?;
    let full = rig.service("large").await?;
    let presence = bench.beside(&full, rows, present).await?;
    say("reading");
    let client = full.pool.get().await?;
    // two, as a vacuum cannot be part of a transaction
    client.batch_execute("set statement_timeout = 0").await?;
    client.batch_execute("vacuum analyze").await?;
    drop(client);
    let reading = reading::measure(&full).await?;
    let instances = full
        .pool
        .get()
        .await?
        .query_one("select count(*) from public.flowstate", &[])
        .await?
        .get(0);
    full.stop().await?;
    bench.service.stop().await?;
    let mut all = recorded;
    all.extend(sides);
    Ok(Results {
        machine,
        pairs,
        rows,
        ways: bench.ways,
        cpu: flows.cpu,
        memory: flows.memory,
        steps_cpu: steps.cpu,
        sides: all,
        half,
        presence,
        reading,
        instances,
    })
}

/// What `flowtrail load` says of rounds of one side.
#[derive(Default)]
struct Loaded {
    rates: Rounds,
    /// µs of the server for an event.
    cpu: Rounds,
    /// MB.
    memory: Rounds,
}

impl Loaded {
    async fn add(
        &mut self,
        counted: bool,
        service: &Service,
        words: &[&str],
    ) -> anyhow::Result<()> {
        let report = service.load(words).await?;
        if counted {
            self.rates.add(report.figure("events_per_second")?);
            self.cpu.add(report.figure("server_cpu_us_per_event")?);
            self.memory.add(report.figure("server_memory_megabytes")?);
        }
        Ok(())
    }
}

impl Bench {
    /// Steps and whole flows as they were recorded.
    async fn recorded(&mut self, rows: usize) -> anyhow::Result<(Vec<Side>, Loaded, Loaded)> {
        say("recorded payloads");
        let copied = Rows::new(rows, None)?;
        self.find_best("recorded", &copied, 1).await?;
        let events = rows.to_string();
        let (mut limit, mut flows, mut steps) =
            (Rounds::default(), Loaded::default(), Loaded::default());
        for round in 0..WARM_UPS + self.pairs {
            let counted = round >= WARM_UPS;
            self.copy(counted, &copied, &mut limit).await?;
            flows
                .add(counted, &self.service, &["--prepare", "--events", &events])
                .await?;
            self.service.clear().await?;
            let words = ["--prepare", "--events", &events, "--steps-only"];
            steps.add(counted, &self.service, &words).await?;
            self.service.clear().await?;
        }
        let sides = said(vec![
            Side::limit("raw COPY, recorded payloads", &limit),
            Side::new("gRPC, whole flows", &flows.rates, &limit),
            Side::new("gRPC, steps alone", &steps.rates, &limit),
        ]);
        Ok((sides, flows, steps))
    }

    /// Times to the ack at half the rate that was taken just before: minutes later it may be another.
    async fn half(&self, rows: usize) -> anyhow::Result<Latency> {
        say("time to the ack at half the rate");
        let mut half = Latency::default();
        let events = rows.to_string();
        for _ in 0..RUNS_AT_HALF_RATE {
            let full = self
                .service
                .load(&["--prepare", "--events", &events])
                .await?;
            self.service.clear().await?;
            let rate = (full.figure("events_per_second")? / 2.0).round();
            let (at, events) = (rate.to_string(), format!("{:.0}", rate * AT_HALF_RATE));
            let options = ["--prepare", "--rate", &at, "--events", &events];
            half.add(&self.service.load(&options).await?)?;
            self.service.clear().await?;
        }
        Ok(half)
    }

    /// Whole flows whose steps have payloads of this size.
    async fn sized(
        &mut self,
        payload: &'static str,
        bytes: usize,
        rows: usize,
        larger: usize,
    ) -> anyhow::Result<Vec<Side>> {
        say(&format!("payloads of {payload}"));
        let rows = rows / larger;
        let copied = Rows::new(rows, Some(bytes))?;
        self.find_best(payload, &copied, larger).await?;
        let events = rows.to_string();
        let (mut limit, mut flows) = (Rounds::default(), Loaded::default());
        for round in 0..WARM_UPS + self.pairs {
            let counted = round >= WARM_UPS;
            self.copy(counted, &copied, &mut limit).await?;
            let words = ["--prepare", "--events", &events, "--payload", payload];
            flows.add(counted, &self.service, &words).await?;
            self.service.clear().await?;
        }
        Ok(said(vec![
            Side::limit(&format!("raw COPY, {payload}"), &limit),
            Side::new(
                &format!("gRPC, whole flows, {payload}"),
                &flows.rates,
                &limit,
            ),
        ]))
    }

    /// Steps over REST, one a request.
    async fn rest(&self, requests: usize) -> anyhow::Result<Vec<Side>> {
        say("REST");
        let copied = Rows::new(requests * 4, None)?;
        let events = requests.to_string();
        let mut limit = Rounds::default();
        let mut sides = [("32", Loaded::default()), ("128", Loaded::default())];
        for round in 0..WARM_UPS + self.pairs {
            let counted = round >= WARM_UPS;
            self.copy(counted, &copied, &mut limit).await?;
            for (connections, loaded) in &mut sides {
                let words = [
                    "--protocol",
                    "rest",
                    "--steps-only",
                    "--events",
                    &events,
                    "--connections",
                    connections,
                ];
                loaded.add(counted, &self.service, &words).await?;
                self.service.clear().await?;
            }
        }
        let mut all = vec![Side::limit("raw COPY, beside REST", &limit)];
        for (connections, loaded) in &sides {
            let name = format!("REST, a step a request, {connections} connections");
            all.push(Side::new(&name, &loaded.rates, &limit));
        }
        Ok(said(all))
    }

    /// Whole flows into the large tables of `full` and into empty ones, in turn.
    async fn beside(
        &self,
        full: &Service,
        rows: usize,
        present: usize,
    ) -> anyhow::Result<[Side; 2]> {
        say(&format!("{present} steps in the tables"));
        // the recorded flows have 29 steps, 5 starts and 5 ends
        let events = (present / 29 * 39).to_string();
        full.load(&["--events", &events]).await?;
        full.checkpoint().await?;
        let events = rows.to_string();
        let (mut empty, mut beside) = (Loaded::default(), Loaded::default());
        for round in 0..WARM_UPS + self.pairs {
            let counted = round >= WARM_UPS;
            let words = ["--prepare", "--events", &events];
            empty.add(counted, &self.service, &words).await?;
            self.service.clear().await?;
            beside.add(counted, full, &words).await?;
            full.checkpoint().await?;
        }
        let name = format!(
            "gRPC, whole flows, {} million steps there",
            present / 1_000_000
        );
        Ok([
            Side::limit("gRPC, whole flows, empty tables", &empty.rates),
            Side::new(&name, &beside.rates, &empty.rates),
        ])
    }

    /// Tries every way of raw COPY with these rows.
    async fn find_best(
        &mut self,
        payload: &'static str,
        rows: &Rows,
        larger: usize,
    ) -> anyhow::Result<()> {
        let mut rounds: Vec<_> = (copy::ways(larger).into_iter())
            .map(|way| (way, Rounds::default()))
            .collect();
        for round in 0..4 {
            for (way, rates) in &mut rounds {
                let rate = copied(&self.service, rows, *way).await?;
                if round > 0 {
                    rates.add(rate);
                }
            }
        }
        let medians = rounds.iter().map(|(way, rates)| (*way, rates.median()));
        self.ways.push((payload, medians.collect()));
        Ok(())
    }

    /// The way that was fastest in the median with the rows that were tried last.
    fn best(&self) -> Way {
        let ways = self.ways.last().map(|(_, ways)| ways.as_slice());
        let ways = ways.unwrap_or_default().iter();
        let best = ways.max_by(|(_, one), (_, other)| one.total_cmp(other));
        best.expect("all ways were tried").0
    }

    async fn copy(&self, counted: bool, rows: &Rows, rates: &mut Rounds) -> anyhow::Result<()> {
        let rate = copied(&self.service, rows, self.best()).await?;
        if counted {
            rates.add(rate);
        }
        Ok(())
    }
}

/// Rows a second of one round of raw COPY into empty tables.
async fn copied(service: &Service, rows: &Rows, way: Way) -> anyhow::Result<f64> {
    let batches = rows.batches(way);
    let begun = Instant::now();
    copy::copy(&service.pool, &batches, way.connections).await?;
    let rate = rows.len() as f64 / begun.elapsed().as_secs_f64();
    service.clear().await?;
    Ok(rate)
}

/// Shows sides as soon as they are there.
fn said(sides: Vec<Side>) -> Vec<Side> {
    for side in &sides {
        eprint!("{}", side.line());
    }
    sides
}

fn say(what: &str) {
    eprintln!("measuring: {what}");
}
