//! `flowtrail spool`: what a service keeps on disk while the database is away, looked at and seen to.
//!
//! Works on the files of the spool, with and without a service that uses it.

mod columns;
mod drain;
mod rejected;
mod retry;
mod status;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget};
use prost_types::Timestamp;

use super::Usage;
use crate::ingest::spool::{self, Survey};

const EXAMPLES: &str = "\
Examples:
  What a service keeps that is not in the database yet
    flowtrail spool status --data-dir /var/lib/flowtrail
  Whether all of it can be read
    flowtrail spool verify --data-dir /var/lib/flowtrail
  Rows that the database refused, and all of them once more when the cause is gone
    flowtrail spool rejected
    flowtrail spool retry --all
  Write it into the database where the service is not to be started again
    flowtrail spool drain --database-url postgresql://flowtrail@db.example/history";

/// Look at what a service keeps while the database is away, and see to it
///
/// While the database is away `flowtrail serve` keeps events in DATA_DIR/spool, and writes them when
/// it is back, by itself. These commands work on that directory, on the service's machine and as its
/// user, whether it runs or not.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Show how much is kept, since when, and who uses it
    Status(status::Args),
    /// Read every record and check its sum
    Verify(verify::Args),
    /// Write everything into the database, where no service runs
    Drain(Box<drain::Args>),
    /// List the rows that the database refused, or show one
    Rejected(rejected::Args),
    /// Try refused rows again
    Retry(retry::Args),
}

/// Where the spool is.
#[derive(clap::Args, Clone, Debug)]
struct Place {
    /// The service's directory, as it is given to `flowtrail serve`
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOWTRAIL_DATA_DIR",
        default_value = "flowtrail-data"
    )]
    data_dir: PathBuf,
}

/// Looks at the spool, or sees to it.
///
/// # Errors
/// [`Usage`] when there is no such directory; another error when it cannot be read, and for `verify`
/// when something is damaged.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Status(args) => status::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Drain(args) => drain::run(*args).await,
        Command::Rejected(args) => rejected::run(&args),
        Command::Retry(args) => retry::run(&args),
    }
}

impl Place {
    /// The spool's directory, which may not be there: then the spool is empty.
    fn dir(&self) -> anyhow::Result<PathBuf> {
        if self.data_dir.is_dir() {
            return Ok(self.data_dir.join("spool"));
        }
        Err(Usage::error(format!(
            "--data-dir {}: there is no such directory; name the one that `flowtrail serve` has",
            self.data_dir.display()
        )))
    }

    /// All of the spool read.
    async fn survey(&self) -> anyhow::Result<Survey> {
        let dir = self.dir()?;
        let reading = ProgressBar::new_spinner();
        reading.set_draw_target(ProgressDrawTarget::stderr());
        reading.set_message("reading the spool");
        reading.enable_steady_tick(std::time::Duration::from_millis(100));
        let survey = tokio::task::spawn_blocking(move || spool::survey(&dir)).await?;
        reading.finish_and_clear();
        Ok(survey?)
    }
}

/// A service that uses the spool, in words.
fn service(pid: Option<u32>) -> String {
    pid.map_or_else(|| "a service".to_owned(), |pid| format!("process {pid}"))
}

/// A time of the spool's for [`super::history`].
fn timestamp(since_1970: i64) -> Timestamp {
    let nanos = since_1970.rem_euclid(1_000_000) * 1_000;
    Timestamp {
        seconds: since_1970.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// `1 event`, `2 events`.
fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}
