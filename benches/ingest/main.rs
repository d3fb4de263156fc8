//! How near the way in comes to raw COPY: the same step rows by the same two connections' worth of
//! writing, once straight into `steps` by COPY and once as events over gRPC, in turn, so that the
//! machine's moods hit both. Prints medians and the ratio pair by pair.
//!
//! One process holds client and server; PostgreSQL is the embedded one with its durable defaults.
//! `BENCH_ROWS` (rows a round) and `BENCH_PAIRS` change the size.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints rates"
)]

mod load;
#[path = "../support/mod.rs"]
mod support;

use std::{future::Future, time::Instant};

use flowtrail::app::Running;
use load::{Kind, Load};
use support::number;

/// Connections that write: lanes there, COPYs here.
const WRITERS: usize = 2;
/// Rounds that are not counted: the first ones make the WAL's files.
const WARM_UPS: usize = 2;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(support::with_server(measure))
}

async fn measure(service: &Running) -> anyhow::Result<()> {
    let rows = number("BENCH_ROWS", 200_000);
    let pairs = number("BENCH_PAIRS", 8);
    let pool = service.pool().clone();

    println!(
        "{rows} rows a round, {pairs} pairs after {WARM_UPS} warm-ups, rows/s as median (least, most)\n"
    );
    let steps = Load::new(rows, Kind::Steps);
    let mut ceiling = Rates::new("raw COPY into steps");
    let mut recorded = Rates::new("steps over gRPC");
    let mut resent = Rates::new("the same, every chunk marked resent");
    let flows = Load::new(rows, Kind::Flows);
    let mut mixed = Rates::new("whole flows over gRPC (start, 10 steps, end)");
    for round in 0..WARM_UPS + pairs {
        let counted = round >= WARM_UPS;
        ceiling
            .add(counted, rows, steps.copy(&pool, WRITERS))
            .await?;
        load::clear(&pool).await?;
        recorded
            .add(
                counted,
                rows,
                steps.record(service.local_addr(), WRITERS, false),
            )
            .await?;
        load::clear(&pool).await?;
        mixed
            .add(
                counted,
                rows,
                flows.record(service.local_addr(), WRITERS, false),
            )
            .await?;
        load::clear(&pool).await?;
        resent
            .add(
                counted,
                rows,
                steps.record(service.local_addr(), WRITERS, true),
            )
            .await?;
        load::clear(&pool).await?;
    }
    for rates in [&ceiling, &recorded, &mixed, &resent] {
        rates.print(&ceiling);
    }

    let mut waits = steps.acks(service.local_addr(), 2_000).await?;
    waits.sort_by(f64::total_cmp);
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100] * 1e3;
    println!(
        "\none event a chunk, one after the other: {:.2} ms to the ack in the median, {:.2} ms at p99",
        at(50),
        at(99)
    );
    Ok(())
}

/// Rows per second of each round of one side.
struct Rates {
    name: &'static str,
    rates: Vec<f64>,
}

impl Rates {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            rates: Vec::new(),
        }
    }

    async fn add(
        &mut self,
        counted: bool,
        rows: usize,
        round: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        round.await?;
        if counted {
            self.rates.push(rows as f64 / began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn print(&self, ceiling: &Self) {
        let ratios = self
            .rates
            .iter()
            .zip(&ceiling.rates)
            .map(|(own, other)| own / other);
        let (least, median, most) = spread(self.rates.clone());
        let (_, ratio, _) = spread(ratios.collect());
        println!(
            "{:46} {median:9.0} ({least:.0}, {most:.0})  {ratio:.2} of raw COPY",
            self.name
        );
    }
}

fn spread(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_by(f64::total_cmp);
    (
        numbers[0],
        numbers[numbers.len() / 2],
        numbers[numbers.len() - 1],
    )
}
