//! `flowtrail spool drain`: everything into the database, without a service.

use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{count, service};
use crate::{
    app::drain::{self, Progress},
    cli::{
        Usage, flogo,
        output::{self, Output},
    },
    config,
    ingest::{
        lane::Trouble,
        spool::{self, Error},
    },
    pg::{Connector, embedded::Embedded},
};

const EXAMPLES: &str = "\
Examples:
  What a service left behind that is not to run on this machine again
    flowtrail spool drain --data-dir /var/lib/flowtrail --database-url postgresql://flowtrail@db.example/history
  How it went, for a script
    flowtrail spool drain --output json | jq '.[0].events'

Exit status: 0 when everything is in the database, 1 when a row was refused or something is left.";

/// Write everything into the database, where no service runs
///
/// A service does this by itself as soon as the database is back: this is for the spool of one that
/// is not started again. Ctrl-C ends it; what is not written stays. Without a database URL it
/// works on the embedded PostgreSQL under --data-dir.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES, mut_args = |option| {
    let of_no_use = ["max_", "linger", "rest_wait", "expose_recorder"];
    let hidden = of_no_use.iter().any(|begin| option.get_id().as_str().starts_with(begin));
    option.hide(hidden)
})]
pub(super) struct Args {
    #[command(flatten)]
    database: config::Database,
    #[command(flatten)]
    embedded: config::Embedded,
    #[command(flatten)]
    ingest: config::Ingest,
    /// Form of the result
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
}

/// What is printed.
#[derive(Serialize)]
struct Drained {
    events: u64,
    rejected: u64,
    left: u64,
    seconds: f64,
}

/// Drains and says what became of it.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let data_dir = args.embedded.data_dir.clone();
    let dir = super::Place { data_dir }.dir()?;
    if args.ingest.lanes == 0 {
        return Err(Usage::error("--lanes is 0; it must be at least 1"));
    }
    if let Some(occupant) = spool::occupant(&dir)? {
        return Err(in_use(occupant.pid));
    }
    flogo::apply(&args.database, &args.embedded.data_dir, |note| {
        anstream::eprintln!("{note}");
    })?;
    let begun = Instant::now();
    let written = if let Some(connector) = Connector::configured(&args.database)? {
        drain(&args, connector).await
    } else {
        let embedded = Embedded::start(&args.embedded, &args.database).await?;
        let written = drain(&args, embedded.connector()).await;
        embedded.stop().await?;
        written
    };
    let written = written.map_err(|error| match error.downcast_ref() {
        Some(Error::InUse { pid, .. }) => in_use(*pid),
        _ => error,
    })?;
    let seconds = (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let Progress {
        events,
        rejected,
        left,
        ..
    } = written;
    let row = Drained {
        events,
        rejected,
        left,
        seconds,
    };
    output::rows(args.output, &[row])?;
    if left > 0 {
        bail!(
            "it was ended before everything was written; {} stay in the spool",
            count(left, "event")
        );
    }
    if rejected > 0 {
        bail!(
            "the database refused {}; flowtrail spool rejected shows why",
            count(rejected, "row")
        );
    }
    Ok(())
}

fn in_use(pid: Option<u32>) -> anyhow::Error {
    anyhow::anyhow!(
        "{} uses the spool and drains it by itself; stop it first if it is not to",
        service(pid)
    )
}

async fn drain(args: &Args, connector: Connector) -> anyhow::Result<Progress> {
    let options = drain::Options {
        dir: args.embedded.data_dir.join("spool"),
        connector,
        database: args.database.clone(),
        ingest: args.ingest.clone(),
    };
    let stop = CancellationToken::new();
    let bar = progress();
    let (bar_of_reports, mut trouble) = (bar.clone(), None);
    let draining = drain::run(options, stop.clone(), move |progress| {
        let bar = &bar_of_reports;
        bar.set_length(progress.events + progress.left);
        bar.set_position(progress.events);
        if trouble != progress.trouble {
            trouble.clone_from(&progress.trouble);
            let sentence = sentence(trouble.as_ref());
            bar.suspend(|| anstream::eprintln!("{sentence}"));
        }
    });
    tokio::pin!(draining);
    let drained = tokio::select! {
        drained = &mut draining => drained,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            stop.cancel();
            draining.await
        }
    };
    bar.finish_and_clear();
    drained
}

fn sentence(trouble: Option<&Trouble>) -> String {
    match trouble {
        None => "writing again".to_owned(),
        Some(Trouble { class, remedy }) => format!(
            "the database cannot be written to ({class}); {}",
            remedy.unwrap_or("trying again until it can, or until Ctrl-C")
        ),
    }
}

/// A bar on standard error, hidden when that is no terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
