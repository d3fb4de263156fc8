//! `flowtrail record`: plays recorded recorder traffic to a server.

use std::{
    fs::File,
    io::{self, BufReader},
    path::PathBuf,
    time::Duration,
};

use anyhow::bail;
use serde::Serialize;

use super::{
    client::ServerOptions,
    output::{self, Output},
    play::{Play, Played},
    traffic::{self, Traffic},
};
use crate::{config, proto::Hello};

const EXAMPLES: &str = "\
Examples:
  Play a file to the server on this machine
    flowtrail record traffic.jsonl
  Play it a thousand times, each time as new instances, and print JSON
    flowtrail record --repeat 1000 --fresh-ids --output json traffic.jsonl
  Steps whose start is not in the file need to be told which app they are of
    flowtrail record --user acme --app orders --app-version 1.2.0 --host vm1 steps.jsonl
  Read standard input, talk to another server
    zcat traffic.jsonl.gz | flowtrail record --server http://history:9190 -

Exit status: 0 when every event was taken, 1 when one was rejected or not answered, 2 when the
file or an option is wrong; then nothing was sent.";

/// Play recorded recorder traffic to a server
///
/// FILE holds what engines posted to a REST recorder, one request a line:
/// {"method":"POST","path":"/v1/instances/start","body":"..."} with the paths start, end, steps and
/// snapshot. Snapshots are counted and left out: flowtrail makes its own. The events go over gRPC,
/// one stream for each user, app, version and host, in the order of the file. The file is read and
/// checked as a whole first, so it has to fit into memory.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// File of JSON lines; - is standard input
    pub file: PathBuf,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// User of the steps whose instance has no start or end in the file
    #[arg(long, requires = "app", help_heading = "Steps without a start")]
    pub user: Option<String>,
    /// App of those steps
    #[arg(long, requires = "user", help_heading = "Steps without a start")]
    pub app: Option<String>,
    /// App version of those steps
    #[arg(
        long,
        value_name = "VERSION",
        requires = "app",
        default_value = "",
        hide_default_value = true,
        help_heading = "Steps without a start"
    )]
    pub app_version: String,
    /// Host of those steps
    #[arg(
        long,
        requires = "app",
        default_value = "",
        hide_default_value = true,
        help_heading = "Steps without a start"
    )]
    pub host: String,
    /// Events in a chunk at most; the server's limit in bytes holds besides
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Sending")]
    pub chunk_events: u32,
    /// How long to try again while the server is away; 0s gives up at once
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::duration, help_heading = "Sending")]
    pub retry_for: Duration,
    /// Play the file so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Sending")]
    pub repeat: u64,
    /// Replace the instance ids, each time by new ones
    #[arg(long, help_heading = "Sending")]
    pub fresh_ids: bool,
    /// Form of the result
    #[arg(
        long,
        value_name = "FORM",
        default_value = "table",
        help_heading = "Output"
    )]
    pub output: Output,
}

/// What `record` prints.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    streams: usize,
    events: u64,
    recorded: u64,
    completed: u64,
    skipped: u64,
    superseded: u64,
    invalid: u64,
    unanswered: u64,
    ignored_snapshots: u64,
    seconds: f64,
    events_per_second: u64,
}

impl Report {
    /// The row of what was played; `snapshots` were left out.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people to read"
    )]
    pub fn new(played: &Played, snapshots: u64) -> Self {
        let totals = played.totals;
        let seconds = played.took.as_secs_f64();
        Self {
            streams: played.streams,
            events: totals.events,
            recorded: totals.recorded,
            completed: totals.completed,
            skipped: totals.skipped,
            superseded: totals.superseded,
            invalid: totals.invalid,
            unanswered: totals.unanswered,
            ignored_snapshots: snapshots,
            seconds: (seconds * 1e3).round() / 1e3,
            events_per_second: (totals.events as f64 / seconds.max(1e-3)) as u64,
        }
    }
}

/// Plays the file and prints what became of it.
///
/// # Errors
/// [`super::Usage`] when the file cannot be sent; another error when an event was rejected or not
/// answered.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let name = match args.file.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => args.file.display().to_string(),
    };
    let traffic = read(&args, &name)?;
    let channel = args.server.channel().await?;
    let play = Play {
        chunk_events: args.chunk_events as usize,
        retry_for: args.retry_for,
        repeat: args.repeat,
        fresh_ids: args.fresh_ids,
    };
    let played = play.run(&channel, &name, &traffic).await?;
    output::rows(
        args.output,
        &[Report::new(&played, traffic.snapshots * args.repeat)],
    )?;
    if let Some(failure) = played.failures.first() {
        bail!(
            "{}: {failure}; see to the server or --server and play the file \
             again",
            args.server.server
        );
    }
    if played.totals.invalid > 0 {
        bail!(
            "events rejected: {}; each is named above",
            played.totals.invalid
        );
    }
    Ok(())
}

fn read(args: &Args, name: &str) -> anyhow::Result<Traffic> {
    let fallback = args.user.as_ref().zip(args.app.as_ref());
    let fallback = fallback.map(|(user, app)| Hello {
        user: user.clone(),
        app: app.clone(),
        app_version: args.app_version.clone(),
        host: args.host.clone(),
        client: traffic::client(),
    });
    if args.file.to_str() == Some("-") {
        return Traffic::read(name, io::stdin().lock(), fallback.as_ref());
    }
    let file = File::open(&args.file)
        .map_err(|error| super::Usage::error(format!("{name}: {error}; name a readable file")))?;
    Traffic::read(name, BufReader::new(file), fallback.as_ref())
}
