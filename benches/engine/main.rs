//! What recording costs a real Flogo engine: flows/s of the ten-task flow of `clients/go/enginetest`
//! without a recorder, with one that posts every event over REST, and with ours, in turn, so that the
//! machine's moods hit all. A rate counts until the last event is durable; after each round the tables
//! have to hold every flow with all its steps.
//!
//! The engine is a process of its own; this one holds the server, over the embedded PostgreSQL with its
//! durable defaults. `BENCH_FLOWS` (flows a round of ours), `BENCH_ROUNDS` and `BENCH_CONCURRENCY`
//! change the size.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints rates"
)]

mod engine;
#[path = "../support/mod.rs"]
mod support;

use anyhow::ensure;
use engine::{Engine, Run, TASKS};
use flowtrail::{app::Running, pg::Pool};
use support::number;

/// What ours is to reach: flows/s, and the share of the unrecorded rate in percent.
const WANTED: (f64, f64) = (5_000.0, 5.0);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(support::with_server(measure))
}

async fn measure(service: &Running) -> anyhow::Result<()> {
    let flows = number("BENCH_FLOWS", 20_000).max(10);
    let rounds = number("BENCH_ROUNDS", 4).max(1);
    let concurrency = number("BENCH_CONCURRENCY", 64).max(1);
    let engine = Engine::build(service.local_addr(), concurrency)?;
    let pool = service.pool();
    // rounds of about the same time
    let mut sides = [
        Side::new("unrecorded", "none", &[], 5 * flows),
        Side::new("REST recorder", "rest", &[], flows / 10),
        Side::new("ours, wait=none", "flowtrail", &["wait=none"], flows),
        Side::new("ours, wait=end", "flowtrail", &["wait=end"], flows),
    ];

    let cores = std::thread::available_parallelism()?;
    let database = durability(pool).await?;
    println!(
        "A flow of {TASKS} tasks, {concurrency} at a time; Go's collector as it is by default.\n\
         Engine, server and PostgreSQL ({database}) on {cores} cores.\n\
         {rounds} rounds after one to warm up; flows/s until all is durable as median (least, most),\n\
         and the share of unrecorded as median of the rounds.\n"
    );
    // the first round is not counted: it makes the WAL's files
    for round in 0..=rounds {
        for side in &mut sides {
            let rate = side.round(&engine, pool).await?;
            if round > 0 {
                side.rates.push(rate);
            }
        }
    }
    let [unrecorded, .., ours, _] = &sides;
    for side in &sides {
        side.print(unrecorded);
    }
    println!("\nEvery recorded round left all its flows and steps in the tables.");
    println!("{}", verdict(ours.rate(), ours.share(unrecorded)));
    Ok(())
}

/// One way to run the flow.
struct Side {
    name: &'static str,
    run: Run,
    /// Flows per second of each round.
    rates: Vec<f64>,
}

impl Side {
    fn new(
        name: &'static str,
        recorder: &'static str,
        settings: &'static [&'static str],
        flows: usize,
    ) -> Self {
        Self {
            name,
            run: Run {
                recorder,
                settings,
                flows,
            },
            rates: Vec::new(),
        }
    }

    /// Runs its flows, looks whether they are stored and empties the tables; answers with flows/s.
    async fn round(&self, engine: &Engine, pool: &Pool) -> anyhow::Result<f64> {
        let seconds = engine.run(&self.run).await?;
        if self.run.recorder != "none" {
            complete(pool, &self.run).await?;
        }
        let client = pool.get().await?;
        client
            .batch_execute("truncate public.steps, public.flowstate; checkpoint")
            .await?;
        Ok(self.run.flows as f64 / seconds)
    }

    fn rate(&self) -> f64 {
        spread(self.rates.clone()).1
    }

    /// Percent of the rate of `other`, round by round.
    fn share(&self, other: &Self) -> f64 {
        let rounds = self.rates.iter().zip(&other.rates);
        spread(rounds.map(|(own, other)| own / other * 100.0).collect()).1
    }

    fn print(&self, unrecorded: &Self) {
        let (least, median, most) = spread(self.rates.clone());
        println!(
            "{:16} {median:7.0} ({least:.0}, {most:.0})  {:.1} %  {} flows a round",
            self.name,
            self.share(unrecorded),
            self.run.flows
        );
    }
}

/// Fails unless every flow of the run is stored as completed, with the step that starts it and one of
/// each task.
async fn complete(pool: &Pool, run: &Run) -> anyhow::Result<()> {
    let counts = "select (select count(*) from public.flowstate),
        (select count(*) from public.flowstate where status = 'Completed'),
        (select count(*) from public.steps)";
    let row = pool.get().await?.query_one(counts, &[]).await?;
    let found: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    let flows = i64::try_from(run.flows)?;
    let wanted = [flows, flows, flows * (1 + i64::from(TASKS))];
    ensure!(
        found == wanted,
        "{} {:?}: instances, completed ones and steps are {found:?} in the tables, not {wanted:?}",
        run.recorder,
        run.settings
    );
    Ok(())
}

/// The database's settings that make a commit durable.
async fn durability(pool: &Pool) -> anyhow::Result<String> {
    let settings = "select current_setting('fsync'), current_setting('synchronous_commit')";
    let row = pool.get().await?.query_one(settings, &[]).await?;
    let (fsync, commit): (String, String) = (row.get(0), row.get(1));
    ensure!(
        fsync == "on" && commit == "on",
        "the database is not durable: fsync={fsync}, synchronous_commit={commit}"
    );
    Ok(format!("fsync={fsync}, synchronous_commit={commit}"))
}

fn verdict(rate: f64, share: f64) -> String {
    let judged = |value: f64, wanted: f64| {
        if value >= wanted {
            "at least"
        } else {
            "less than"
        }
    };
    format!(
        "Ours, wait=none: {rate:.0} flows/s ({} {:.0}), {share:.1} % of unrecorded ({} {:.0} %).",
        judged(rate, WANTED.0),
        WANTED.0,
        judged(share, WANTED.1),
        WANTED.1,
    )
}

/// Least, median and most.
fn spread(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    let median = if numbers.len().is_multiple_of(2) {
        f64::midpoint(numbers[half - 1], numbers[half])
    } else {
        numbers[half]
    };
    (numbers[0], median, numbers[numbers.len() - 1])
}
