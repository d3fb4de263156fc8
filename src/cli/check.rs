//! `flowtrail check`: what stands in the way of working with a database, and what to do about it.

use std::path::PathBuf;

use super::{
    Usage, flogo,
    output::{self, Output},
};
use crate::{
    config::{Database, Ingest},
    pg::{self, Connector, Level},
};

const EXAMPLES: &str = "\
Examples:
  Before the first serve, and whenever something is odd
    flowtrail check --database-url postgresql://flowtrail@db.example/history
  For a script: what must be put right
    flowtrail check --output json | jq '.[] | select(.level == \"failure\")'";

/// Look at a database before it is used: reachable, right version, tables, privileges, settings
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The database to look at.
    #[command(flatten)]
    pub database: Database,
    /// Writers that the service will have, for the connections it opens [default: one a core, 2 to 8]
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_LANES",
        default_value_t = Ingest::default_lanes(),
        hide_default_value = true,
        help_heading = "Database"
    )]
    pub lanes: usize,
    /// Directory for certificates that stand inside --flogo-config
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOWTRAIL_DATA_DIR",
        default_value = "flowtrail-data",
        help_heading = "Database"
    )]
    pub data_dir: PathBuf,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Output,
}

/// Prints the findings on standard output.
///
/// # Errors
/// [`Usage`] without a database URL; a line that counts the failures when there is one.
pub async fn run(args: Args) -> anyhow::Result<()> {
    flogo::apply(&args.database, &args.data_dir, |note| {
        anstream::eprintln!("{note}");
    })?;
    let connector = Connector::configured(&args.database)?.ok_or_else(|| {
        Usage::error("no database to look at; give --database-url or --database-url-file")
    })?;
    let connections = args.database.connections(args.lanes);
    let findings = pg::check(&connector, connections).await?;
    output::rows(args.output, &findings)?;
    let failures = findings
        .iter()
        .filter(|finding| finding.level == Level::Failure)
        .count();
    anyhow::ensure!(
        failures == 0,
        "{failures} of {} findings must be put right; the list says how",
        findings.len()
    );
    Ok(())
}
