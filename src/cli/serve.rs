//! `flowtrail serve`: the service, until it is asked to stop.

use clap::parser::ValueSource;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Usage, flogo, output};
use crate::{app, config::Config, ops::telemetry};

const EXAMPLES: &str = "\
Examples:
  An embedded PostgreSQL under ./flowtrail-data
    flowtrail serve
  A database of your own, made ready by flowtrail migrate
    flowtrail serve --database-url 'postgresql://flowtrail@db.example/history?sslmode=verify-full'
  In the place of the engines' flow-state service, with its configuration
    flowtrail serve --flogo-config config.json
  For other machines, with TLS and clients that show a certificate
    flowtrail serve --listen 0.0.0.0:9190 --tls-cert server.pem --tls-key server.key --tls-client-ca clients.pem

SIGTERM or Ctrl-C drains: what was taken is written and acknowledged, then the service ends with
status 0. A second signal, or --shutdown-timeout, ends it at once.";

/// Take events over gRPC and write them to PostgreSQL
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print the options that apply, from flags, environment, --flogo-config and defaults, and exit; secrets are hidden
    #[arg(long)]
    pub print_config: bool,
    /// Every option of the service.
    #[command(flatten)]
    pub config: Config,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`Usage`] for options that cannot work together; one line with its remedy when the service cannot
/// start, or had to stop before everything was written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.config.check().map_err(Usage::error)?;
    if args.print_config {
        return print_config(&args);
    }
    telemetry::start(&args.config.log)?;
    let data_dir = &args.config.embedded.data_dir;
    flogo::apply(&args.config.database, data_dir, |note| {
        tracing::warn!("{note}");
    })?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let starting = app::start(args.config);
    tokio::pin!(starting);
    let running = tokio::select! {
        running = &mut starting => running?,
        () = asked(&mut terminate, &mut interrupt) => {
            // What has been started has to be stopped too, the embedded PostgreSQL above all.
            return tokio::select! {
                running = starting => running?.stop().await,
                () = asked(&mut terminate, &mut interrupt) => Ok(()),
            };
        }
    };
    let lifecycle = running.lifecycle().clone();
    tokio::select! {
        () = asked(&mut terminate, &mut interrupt) => {}
        () = lifecycle.stopping().cancelled() => {}
    }
    let failed = lifecycle.stopping().is_cancelled();
    let stopping = running.stop();
    tokio::pin!(stopping);
    let stopped = tokio::select! {
        stopped = &mut stopping => stopped,
        () = asked(&mut terminate, &mut interrupt) => { lifecycle.abort(); stopping.await }
    };
    anyhow::ensure!(!failed, "the service stopped by itself; its log says why");
    stopped
}

/// Returns when the process is asked to stop.
async fn asked(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Where a default comes from that is not the same everywhere.
const FOUND: &str = "found on this machine";

/// The options as the command line was understood, each with where it comes from.
fn print_config(args: &Args) -> anyhow::Result<()> {
    let (command, matches) = flogo::matches(std::env::args_os())?;
    let (Some(command), Some(matches)) = (
        command.find_subcommand("serve"),
        matches.subcommand_matches("serve"),
    ) else {
        return Ok(());
    };
    let file = args.config.database.flogo_config.as_deref();
    let file = file.map(flogo::read).transpose()?;
    let from_file = file.map(|file| file.options(&args.config.embedded.data_dir));
    let mut lines = Vec::new();
    for option in command.get_arguments() {
        let (Some(name), Some(_)) = (option.get_env(), option.get_long()) else {
            continue;
        };
        let id = option.get_id().as_str();
        let value = match matches.get_raw(id).and_then(|mut values| values.next()) {
            Some(_) if option.is_hide_env_values_set() => "(hidden)".into(),
            Some(value) => value.to_string_lossy(),
            None if id == "queue_bytes" => args.config.ingest.queue_bytes().to_string().into(),
            None => "".into(),
        };
        let in_file = || from_file.iter().flatten().any(|(name, _)| *name == id);
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "command line",
            Some(ValueSource::EnvVariable) => "environment",
            Some(_) if in_file() => "--flogo-config",
            // What help does not name, and what hangs on another option besides
            Some(_) if option.is_hide_default_value_set() => FOUND,
            None if id == "queue_bytes" => FOUND,
            Some(_) => "default",
            None => "not set",
        };
        lines.push(format!("{}={value}  # {origin}", name.to_string_lossy()));
    }
    output::text(&lines.join("\n"))
}
