//! `flowtrail load`: flows as engines report them, made up as fast as they are taken, and how long
//! the answers took.
//!
//! `flows` decides what happens, from recorded flows (`script`) whose bodies have places left open
//! (`body`); `grpc`, in `chunks`, and `rest` send it; `run` says how long and how fast; `tally` and `cost` measure.

mod args;
mod body;
mod chunks;
mod cost;
mod flows;
mod grpc;
mod report;
mod rest;
mod run;
mod script;
mod tally;
mod time;

use std::{io, time::Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_postgres::Client;

use self::{
    cost::Watch,
    report::{Measured, Report},
    rest::Target,
    run::{Pace, Run},
    tally::Tally,
};
use super::Usage;
use crate::pg::Connector;

pub use args::{Args, Payload, Protocol};
pub use chunks::Events;
pub use flows::{Cast, Flows, Shape};

/// Sends, waits for the answers and prints what was measured.
///
/// # Errors
/// [`Usage`] when options do not fit together; another error when not everything was taken.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let target = target(&args)?;
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
    } = load(&args, &cast, target, database.as_ref()).await?;
    let mut wrong = failure;
    if let (true, Some(client)) = (args.verify, &database) {
        let verified = verify(client, &cast, &tally, &mut report).await;
        wrong = wrong.or(verified.err());
    }
    report.print(args.output)?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    ensure!(
        tally.refused == 0,
        "events refused: {} of {}; the server's log says why",
        tally.refused,
        tally.events
    );
    if tally.skipped > 0 {
        anstream::eprintln!("{}", skipped(&cast, &tally));
    }
    Ok(())
}

/// What became of a run.
struct Loaded {
    report: Report,
    tally: Tally,
    failure: Option<anyhow::Error>,
}

/// The server to post to over REST, and to ask for its metrics; over gRPC it need not be known.
fn target(args: &Args) -> anyhow::Result<Option<Target>> {
    if args.prepare && args.protocol == Protocol::Rest {
        return Err(Usage::error(
            "--prepare is for chunks; leave it out with --protocol rest",
        ));
    }
    let server = &args.server.server;
    match (args.protocol, &args.url) {
        (Protocol::Rest, Some(url)) => Target::new("--url", url).map(Some),
        (Protocol::Rest, None) => Target::new("--server", server).map(Some),
        (Protocol::Grpc, None) => Ok(Target::new("--server", server).ok()),
        (Protocol::Grpc, Some(_)) => Err(Usage::error(
            "--url is where --protocol rest posts to; without it name the server with --server",
        )),
    }
}

async fn load(
    args: &Args,
    cast: &Cast,
    target: Option<Target>,
    database: Option<&Client>,
) -> anyhow::Result<Loaded> {
    let connections = args.connections();
    // Everything is open before the clock starts.
    let mut senders = Vec::with_capacity(connections);
    for number in 0..connections {
        let sender = if let (Protocol::Rest, Some(target)) = (args.protocol, &target) {
            Sender::Rest(Box::new(rest::Connection::open(target.clone()).await?))
        } else {
            let channel = args.server.channel().await?;
            let stream = grpc::Stream::open(channel, cast, args.terms()).await?;
            let mut chunks = stream.chunks(cast.flows(number, connections));
            if let (true, Some(events)) = (args.prepare, args.events) {
                let (all, number) = (connections as u64, number as u64);
                chunks.prepare(events / all + u64::from(number < events % all));
            }
            Sender::Grpc(Box::new((stream, chunks)))
        };
        senders.push((number, sender));
    }
    let mut watch = Watch::new(target, database).await;
    let before = watch.cost().await;
    let run = Run::new(args.events(), args.duration);
    let begun = Instant::now();
    let sending = join_all(senders.into_iter().map(|(number, sender)| {
        let pace = Pace::new(args.rate, number, connections, args.chunk());
        let run = &run;
        async move {
            let mut tally = Tally::new();
            let driven = match sender {
                Sender::Grpc(stream) => {
                    let (stream, chunks) = *stream;
                    stream.drive(chunks, run, pace, &mut tally).await
                }
                Sender::Rest(connection) => {
                    let flows = cast.flows(number, connections);
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
    let bar = progress(args.events());
    // All at once: whoever watches must not keep an ack waiting.
    let outcomes = tokio::select! {
        outcomes = sending => outcomes,
        never = watch.follow(|| bar.set_position(run.answers())) => match never {},
        twice = interrupted(&run) => {
            twice?;
            bail!("interrupted before the last answers came");
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
        most_server_bytes: watch.most_server_bytes(),
        suffix: cast.suffix(),
    });
    Ok(Loaded {
        report,
        tally,
        failure,
    })
}

/// At Ctrl-C nothing more is sent and the last answers are awaited; at the second one no longer.
async fn interrupted(run: &Run) -> io::Result<()> {
    tokio::signal::ctrl_c().await?;
    run.stop();
    tokio::signal::ctrl_c().await
}

/// A connection of either kind.
enum Sender {
    Grpc(Box<(grpc::Stream, chunks::Chunks)>),
    Rest(Box<rest::Connection>),
}

/// Counts the rows of the run and says whether the tables have every one that was acknowledged.
async fn verify(
    client: &Client,
    cast: &Cast,
    tally: &Tally,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = include_str!("../../../sql/load/count.sql");
    let row = client.query_one(count, &[&cast.suffix()]).await;
    let row = row.context("the rows cannot be counted")?;
    let (flowstate, steps): (i64, i64) = (row.get("flowstate"), row.get("steps"));
    (report.flowstate_rows, report.steps_rows) = (Some(flowstate), Some(steps));
    if tally.refused > 0 {
        return Ok(());
    }
    if tally.skipped > 0 {
        bail!("{}; then there are rows to count", skipped(cast, tally));
    }
    let same =
        u64::try_from(flowstate) == Ok(tally.flows) && u64::try_from(steps) == Ok(tally.steps);
    if !same {
        bail!(
            "the tables have {flowstate} rows of flowstate and {steps} of steps; acknowledged were \
             {} and {}: is it the database of this server, is its spool empty, and is the app switched on?",
            tally.flows,
            tally.steps
        );
    }
    Ok(())
}

/// What is to be known of events that were skipped.
fn skipped(cast: &Cast, tally: &Tally) -> String {
    let Shape { user, app, .. } = cast.shape();
    format!(
        "skipped: {} of {} events, as the app is switched off; `flowtrail apps enable {app} \
         --user {user}` switches it on",
        tally.skipped, tally.events
    )
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
