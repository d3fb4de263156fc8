//! `flowtrail demo`: the service in this process, recorded flows over real gRPC, and what of them
//! is in the database afterwards.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Endpoint;

use super::{
    Usage, flogo,
    output::{self, Output},
    play::{Play, Played},
    record::Report,
    traffic::Traffic,
};
use crate::{
    app::{self, Running},
    config::Config,
    ops::telemetry,
    pg::embedded,
};

const TRAFFIC: &str = include_str!("../../demo/recorder-traffic.jsonl");
const FILE: &str = "demo/recorder-traffic.jsonl";
/// Where the demo's data goes when the data directory cannot be used.
const ELSEWHERE: &str = "/var/lib/flowtrail-demo";
/// The recorded flow with the most to show: a branch and a subflow.
const FLOW: &str = "order";

const EXAMPLES: &str = "\
Examples:
  An embedded PostgreSQL under ./flowtrail-data, 10,000 flows
    flowtrail demo
  A database of your own, a million flows, and no waiting at the end
    flowtrail demo --database-url postgresql://localhost/history --flows 1000000 --once";

/// See it work: serve, record flows of a real engine, show what was stored
///
/// Starts the service in this process with the options of serve, streams recorded flows to it over
/// gRPC, each under a new instance id, prints how fast they were stored and one of them with its
/// steps, and serves until Ctrl-C.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Flows to record at least
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = "Demo")]
    pub flows: u64,
    /// Stop when everything was shown
    #[arg(long, help_heading = "Demo")]
    pub once: bool,
    /// The options of the service.
    #[command(flatten)]
    pub config: Config,
}

/// Rows that the demo added.
#[derive(Serialize)]
struct Stored {
    flowstate_rows: i64,
    steps_rows: i64,
    seconds: f64,
    rows_per_second: i64,
}

#[derive(Serialize)]
struct Instance {
    id: String,
    flow: Option<String>,
    status: Option<String>,
    started: Option<String>,
    ended: Option<String>,
    milliseconds: Option<String>,
    input: Option<String>,
    output: Option<String>,
}

#[derive(Serialize)]
struct Step {
    number: String,
    flow: Option<String>,
    task: Option<String>,
    status: Option<String>,
    started: Option<String>,
    milliseconds: Option<String>,
    stepdata_bytes: Option<String>,
}

/// Serves, records, shows, and waits for Ctrl-C unless told otherwise.
///
/// # Errors
/// [`Usage`] for options that the demo cannot use; another error when the service does not start or
/// an event was not stored.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let listen = &args.config.listen;
    if listen.tls_cert.is_some() || listen.grpc_listen.is_some() {
        return Err(Usage::error(
            "demo talks to itself without TLS on --listen; leave --tls-cert and --grpc-listen out",
        ));
    }
    args.config.check().map_err(Usage::error)?;
    telemetry::start(&args.config.log)?;
    let data_dir = &args.config.embedded.data_dir;
    flogo::apply(&args.config.database, data_dir, |note| {
        tracing::warn!("{note}");
    })?;
    let running = start(args.config.clone()).await?;
    let shown = tokio::select! {
        shown = show(&running, args.flows) => shown,
        stopped = stopped_by_hand() => return running.stop().await.and(stopped),
    };
    if shown.is_ok() && !args.once {
        say(&format!(
            "\nServing on http://{} (gRPC, /metrics, /readyz); Ctrl-C stops it.",
            running.local_addr()
        ))?;
        stopped_by_hand().await?;
    }
    let stopped = running.stop().await;
    shown.and(stopped)
}

/// Starts the service. In a place that PostgreSQL's account cannot enter, as root's home is on most
/// systems, the demo's data goes to [`ELSEWHERE`].
async fn start(mut config: Config) -> anyhow::Result<Running> {
    let outcome = app::start(config.clone()).await;
    let closed = |error: &anyhow::Error| {
        matches!(error.downcast_ref(), Some(embedded::Error::Closed { .. }))
    };
    match outcome {
        Err(error) if closed(&error) => {
            tracing::warn!("{error}; the demo uses --data-dir {ELSEWHERE}");
            config.embedded.data_dir = ELSEWHERE.into();
            app::start(config).await
        }
        outcome => outcome,
    }
}

async fn show(running: &Running, flows: u64) -> anyhow::Result<()> {
    let traffic = Traffic::read(FILE, TRAFFIC.as_bytes(), None)?;
    let before = count(running).await?;
    let played = play(running.local_addr(), &traffic, flows).await?;
    let after = count(running).await?;

    say("Sent over gRPC, and how it was answered:")?;
    output::rows(Output::Table, &[Report::new(&played, 0)])?;
    if let Some(failure) = played.failures.first() {
        bail!("{failure}");
    }
    let rows = (after.0 - before.0, after.1 - before.1);
    if rows.0 == 0 {
        bail!(
            "nothing was stored: {} of {} events were skipped; switch the app \
             on with flowtrail apps",
            played.totals.skipped,
            played.totals.events
        );
    }
    say("\nStored in PostgreSQL, counted there:")?;
    output::rows(Output::Table, &[stored(rows, played.took)])?;

    let hello = traffic.streams.first().context("the demo has a stream")?;
    let client = running.pool().get().await?;
    let row = client
        .query_one(
            include_str!("../../sql/demo/instance.sql"),
            &[&hello.user, &hello.app, &FLOW],
        )
        .await?;
    let instance = Instance {
        id: row.get(0),
        flow: row.get(1),
        status: row.get(2),
        started: row.get(3),
        ended: row.get(4),
        milliseconds: row.get(5),
        input: row.get(6),
        output: row.get(7),
    };
    let rows = client
        .query(include_str!("../../sql/demo/steps.sql"), &[&instance.id])
        .await?;
    let steps: Vec<Step> = rows
        .iter()
        .map(|row| Step {
            number: row.get(0),
            flow: row.get(1),
            task: row.get(2),
            status: row.get(3),
            started: row.get(4),
            milliseconds: row.get(5),
            stepdata_bytes: row.get(6),
        })
        .collect();
    say("\nOne of the instances:")?;
    output::rows(Output::Table, &[instance])?;
    say("\nIts steps:")?;
    output::rows(Output::Table, &steps)
}

async fn play(address: SocketAddr, traffic: &Traffic, flows: u64) -> anyhow::Result<Played> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await
        .with_context(|| format!("the demo cannot reach its own service on {address}"))?;
    let play = Play {
        chunk_events: 200,
        retry_for: Duration::from_secs(30),
        repeat: flows.div_ceil(traffic.instances.len().max(1) as u64),
        fresh_ids: true,
    };
    play.run(&channel, FILE, traffic).await
}

/// Rows of flowstate and of steps.
async fn count(running: &Running) -> anyhow::Result<(i64, i64)> {
    let client = running.pool().get().await?;
    let row = client
        .query_one(include_str!("../../sql/demo/count.sql"), &[])
        .await?;
    Ok((row.get(0), row.get(1)))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a rate for people to read"
)]
fn stored((flowstate_rows, steps_rows): (i64, i64), took: Duration) -> Stored {
    let seconds = took.as_secs_f64();
    Stored {
        flowstate_rows,
        steps_rows,
        seconds: (seconds * 1e3).round() / 1e3,
        rows_per_second: ((flowstate_rows + steps_rows) as f64 / seconds.max(1e-3)) as i64,
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    match writeln!(anstream::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns at Ctrl-C or SIGTERM.
async fn stopped_by_hand() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
