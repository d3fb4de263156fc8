//! `flowtrail load`: flows as engines report them, made up as fast as they are taken, and how long
//! the answers took.
//!
//! `flows` decides what happens, from recorded flows (`script`) whose bodies have places left open
//! (`body`); `grpc` and `rest` send it; `run` says how long and how fast; `tally` and `cost` measure.

mod body;
mod cost;
mod flows;
mod grpc;
mod report;
mod rest;
mod run;
mod script;
mod tally;
mod time;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio_postgres::Client;

use self::{
    cost::Watch,
    report::{Measured, Report},
    rest::Target,
    run::{Pace, Run},
    tally::Tally,
};
use super::{Usage, client::ServerOptions, output::Output};
use crate::{config, pg::Connector};

pub use flows::{Cast, Flows, Shape};
pub use grpc::Events;

/// Events that are sent when neither a number nor a time is given.
const EVENTS: u64 = 1_000_000;
/// How often progress is shown and the server's memory is looked at.
const TICK: Duration = Duration::from_millis(250);

const EXAMPLES: &str = "\
Examples:
  A million events of recorded flows over two streams, as fast as the server takes them
    flowtrail load
  Half a minute at 50,000 events/s with payloads of 4 kB; the database says what it cost and has
    flowtrail load --rate 50000 --duration 30s --payload 4k --database-url postgresql://localhost/history --verify
  One request an event over 32 connections, to any server that speaks flow-state's REST
    flowtrail load --protocol rest --connections 32 --url http://localhost:9190 --events 100000

Exit status: 0 when everything was taken, 1 when an event was refused, an answer did not come or the
rows are not what was acknowledged, 2 when it was called wrongly.";

/// Send made-up flows and measure: rate, time to the ack, CPU
///
/// The flows are recorded ones under new instance ids: 3 to 10 steps between a start and an end. Over
/// gRPC they go in chunks, and an event counts once its chunk is acknowledged; over REST each is a
/// request. With --rate the time to an ack begins when the event was due, so that a server that falls
/// behind shows it.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How events are sent
    #[arg(
        long,
        value_name = "PROTOCOL",
        default_value = "grpc",
        help_heading = "Sending"
    )]
    pub protocol: Protocol,
    /// Streams, or connections over REST: each has one request on its way [default: 2, over REST 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sending")]
    pub connections: Option<u16>,
    /// Events a second, all connections together [default: as fast as they are answered]
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Sending")]
    pub rate: Option<f64>,
    /// Events to send [default: 1000000, or as many as --duration allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Sending")]
    pub events: Option<u64>,
    /// How long to send
    #[arg(long, value_name = "TIME", value_parser = config::duration, help_heading = "Sending")]
    pub duration: Option<Duration>,
    /// Events in a chunk at most, over gRPC
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Sending")]
    pub chunk_events: u32,
    /// Chunks of a stream that may be unanswered, over gRPC
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sending")]
    pub unanswered: u16,
    /// Share of chunks, or of requests, that are sent twice, like 1% or 0.01
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Sending")]
    pub resends: f64,

    /// Bytes of a step's content, about, like 0.5k, 4k or 32k; `recorded` is 470 to 980
    #[arg(long, value_name = "SIZE", default_value = "recorded", value_parser = payload, help_heading = "Flows")]
    pub payload: Payload,
    /// Share of flows that are long
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Flows")]
    pub long_flows: f64,
    /// Steps of a long flow
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Flows")]
    pub long_steps: u32,
    /// Share of flows that are reruns of the one before
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Flows")]
    pub reruns: f64,
    /// Leave starts and ends out
    #[arg(long, help_heading = "Flows")]
    pub steps_only: bool,
    /// User of the flows
    #[arg(long, default_value = "load", help_heading = "Flows")]
    pub user: String,
    /// App of the flows
    #[arg(long, default_value = "load", help_heading = "Flows")]
    pub app: String,

    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Server to post to over REST, when it is not --server: any that speaks flow-state's REST
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub url: Option<String>,
    /// Count the rows of the run afterwards; needs --database-url
    #[arg(long, help_heading = "Database")]
    pub verify: bool,
    /// The database, to count rows and to see its CPU time.
    #[command(flatten)]
    pub database: config::Database,
    /// Form of the result
    #[arg(
        long,
        value_name = "FORM",
        default_value = "table",
        help_heading = "Output"
    )]
    pub output: Output,
}

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Chunks over recorder streams
    Grpc,
    /// A request for each event
    Rest,
}

/// Size of a step's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload(Option<usize>);

/// Sends, waits for the answers and prints what was measured.
///
/// # Errors
/// [`Usage`] when options do not fit together; another error when not everything was taken.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let database = match Connector::configured(&args.database)? {
        Some(connector) => Some(connector.connect("load", |_| {}).await?),
        None if args.verify => {
            return Err(Usage::error(
                "--verify counts rows in the database; name it with --database-url",
            ));
        }
        None => None,
    };
    let cast = Cast::new(args.shape())?;
    let Loaded {
        mut report,
        tally,
        failure,
    } = load(&args, &cast, database.as_ref()).await?;
    let mut wrong = failure;
    if let (true, Some(client)) = (args.verify, &database) {
        let row = client
            .query_one(
                include_str!("../../../sql/load/count.sql"),
                &[&cast.suffix()],
            )
            .await
            .context("the rows cannot be counted")?;
        let rows: (i64, i64) = (row.get("flowstate"), row.get("steps"));
        (report.flowstate_rows, report.steps_rows) = (Some(rows.0), Some(rows.1));
        if wrong.is_none() && tally.refused + tally.skipped == 0 {
            wrong = compare(&tally, rows).err();
        }
    }
    report.print(args.output)?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    ensure!(
        report.refused == 0,
        "events refused: {} of {}; the server's log says why",
        report.refused,
        report.events
    );
    Ok(())
}

/// What became of a run.
struct Loaded {
    report: Report,
    tally: Tally,
    failure: Option<anyhow::Error>,
}

async fn load(args: &Args, cast: &Cast, database: Option<&Client>) -> anyhow::Result<Loaded> {
    let url = args.url.as_ref().map(|url| ("--url", url));
    let (option, url) = url.unwrap_or(("--server", &args.server.server));
    let target = Target::new(option, url);
    let connections = args.connections();
    // Everything is open before the clock starts.
    let mut senders = Vec::with_capacity(connections);
    for number in 0..connections {
        let sender = match args.protocol {
            Protocol::Grpc => {
                let channel = args.server.channel().await?;
                Sender::Grpc(grpc::Stream::open(channel, cast, args.terms()).await?)
            }
            Protocol::Rest => {
                let target = target
                    .as_ref()
                    .map_err(|error| Usage::error(error.to_string()))?;
                Sender::Rest(rest::Connection::open(target.clone()).await?)
            }
        };
        senders.push((number, sender));
    }
    let mut watch = Watch::new(target.ok(), database).await;
    let before = watch.cost().await;
    let events = args.events.or(args.duration.is_none().then_some(EVENTS));
    let run = Run::new(events, args.duration);
    let begun = Instant::now();
    let sending = join_all(senders.into_iter().map(|(number, sender)| {
        let chunk = match args.protocol {
            Protocol::Grpc => args.chunk_events.into(),
            Protocol::Rest => 1,
        };
        let pace = Pace::new(args.rate, number, connections, chunk);
        let flows = cast.flows(number, connections);
        let run = &run;
        async move {
            let mut tally = Tally::new();
            let driven = match sender {
                Sender::Grpc(stream) => stream.drive(flows, run, pace, &mut tally).await,
                Sender::Rest(connection) => {
                    let resends = args.resends;
                    connection
                        .drive(flows, resends, run, pace, &mut tally)
                        .await
                }
            };
            // One that broke ends the run: the others would not show the rate of all.
            if driven.is_err() {
                run.stop();
            }
            (tally, driven.err())
        }
    }));
    let bar = progress(events);
    let mut most: Option<f64> = None;
    let outcomes = {
        let mut sending = std::pin::pin!(sending);
        let mut stopped = std::pin::pin!(tokio::signal::ctrl_c());
        let mut stopping = false;
        loop {
            tokio::select! {
                outcomes = &mut sending => break outcomes,
                _ = &mut stopped, if !stopping => {
                    stopping = true;
                    run.stop();
                }
                () = tokio::time::sleep(TICK) => {
                    bar.set_position(run.answers());
                    let bytes = watch.cost().await.server_bytes;
                    most = most.into_iter().chain(bytes).reduce(f64::max);
                }
            }
        }
    };
    let took = begun.elapsed();
    bar.finish_and_clear();
    let after = watch.cost().await;
    let mut tally = Tally::new();
    let mut failure = None;
    for (own, error) in outcomes {
        tally.add(&own);
        failure = failure.or(error);
    }
    let report = Report::new(&Measured {
        protocol: args.protocol,
        connections,
        tally: &tally,
        took,
        before,
        after,
        most_server_bytes: most.into_iter().chain(after.server_bytes).reduce(f64::max),
        suffix: cast.suffix(),
    });
    Ok(Loaded {
        report,
        tally,
        failure,
    })
}

/// A connection of either kind.
enum Sender {
    Grpc(grpc::Stream),
    Rest(rest::Connection),
}

impl Args {
    fn connections(&self) -> usize {
        let default = match self.protocol {
            Protocol::Grpc => 2,
            Protocol::Rest => 32,
        };
        self.connections.unwrap_or(default).into()
    }

    fn terms(&self) -> grpc::Terms {
        grpc::Terms {
            chunk_events: self.chunk_events.into(),
            unanswered: self.unanswered.into(),
            resends: self.resends,
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            user: self.user.clone(),
            app: self.app.clone(),
            payload: self.payload.0,
            long_flows: self.long_flows,
            long_steps: self.long_steps,
            reruns: self.reruns,
            steps_only: self.steps_only,
        }
    }
}

/// Whether the tables have every row that was acknowledged.
fn compare(tally: &Tally, (flowstate, steps): (i64, i64)) -> anyhow::Result<()> {
    let same =
        u64::try_from(flowstate) == Ok(tally.flows) && u64::try_from(steps) == Ok(tally.steps);
    if !same {
        bail!(
            "the tables have {flowstate} rows of flowstate and {steps} of steps; acknowledged were \
             {} and {}: is it the database of this server, and is its spool empty?",
            tally.flows,
            tally.steps
        );
    }
    Ok(())
}

/// A bar on standard error, hidden when that is no terminal.
fn progress(events: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(events, ProgressDrawTarget::stderr());
    let style = match events {
        Some(_) => "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} events, {per_sec}, {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("`{text}` is not a rate; write events a second, like 50000"))
}

fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse::<f64>().ok(),
    };
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is not a share; write it like 5% or 0.05"))
}

fn payload(text: &str) -> Result<Payload, String> {
    if text == "recorded" {
        return Ok(Payload(None));
    }
    let (number, unit) = match text.strip_suffix('k') {
        Some(number) => (number, 1024.0),
        None => (text, 1.0),
    };
    let bytes = number.parse::<f64>().ok().map(|number| number * unit);
    let bytes = bytes.filter(|bytes| (256.0..=512.0 * 1024.0).contains(bytes));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds above"
    )]
    bytes
        .map(|bytes| Payload(Some(bytes as usize)))
        .ok_or_else(|| {
            format!("`{text}` is not a size; write recorded, or 256 to 512k, like 0.5k, 4k or 32k")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_written_as_people_do() {
        assert_eq!(payload("recorded"), Ok(Payload(None)));
        assert_eq!(payload("0.5k"), Ok(Payload(Some(512))));
        assert_eq!(payload("32k"), Ok(Payload(Some(32 << 10))));
        for wrong in ["", "k", "4MB", "10", "513k", "-1k"] {
            assert!(payload(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["", "%", "101%", "-1", "NaN"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("1e4") == Ok(1e4));
    }
}
