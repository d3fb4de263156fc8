//! `flowtrail spool retry`: refused rows once more.

use anyhow::bail;
use serde::Serialize;

use super::{Place, count, service};
use crate::{
    cli::output::{self, Output},
    ingest::spool::{self, Rejected},
};

const EXAMPLES: &str = "\
Examples:
  One row, when what it was refused for has been put right
    flowtrail spool retry 00064c1f2a9be0d8-00000000000000000042-000003
  All of them
    flowtrail spool retry --all --data-dir /var/lib/flowtrail

Exit status: 0 when all of them will be tried again, 1 when one is not there or cannot be moved.";

/// Try refused rows again
///
/// Moves them to DATA_DIR/spool/retry. A service that runs takes them up within seconds, else the
/// next one does, or flowtrail spool drain. A row that is refused again is put aside again.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Rows, as `flowtrail spool rejected` names them
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All rows
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    place: Place,
    /// Form of the list of what is tried again
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
}

/// What is tried again.
#[derive(Serialize)]
struct Retried {
    name: String,
    table: String,
    instance: String,
}

/// Moves the rows and says when they will be tried.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let dir = args.place.dir()?;
    let mut rows = spool::rejected(&dir)?;
    if !args.all {
        rows.retain(|row| args.names.contains(&row.name));
    }
    let names: Vec<String> = if args.all {
        rows.iter().map(|row| row.name.clone()).collect()
    } else {
        args.names.clone()
    };
    let missing = spool::retry(&dir, &names)?;
    rows.retain(|row| !missing.contains(&row.name));
    let moved = rows.len() as u64;
    let rows: Vec<_> = rows.into_iter().map(Retried::from).collect();
    output::rows(args.output, &rows)?;
    let rows = count(moved, "row");
    let occupant = spool::occupant(&dir)?;
    if moved == 0 {
        anstream::eprintln!("no row is to be tried again");
    } else if let Some(occupant) = occupant {
        let service = service(occupant.pid);
        anstream::eprintln!("{service} tries {rows} again within seconds");
    } else {
        anstream::eprintln!(
            "{rows} will be tried again by the next flowtrail serve or flowtrail spool drain"
        );
    }
    // with --all those that a service took away meanwhile
    if !missing.is_empty() && !args.all {
        bail!(
            "not among the rejected rows: {}; flowtrail spool rejected lists them",
            missing.join(", ")
        );
    }
    Ok(())
}

impl From<Rejected> for Retried {
    fn from(Rejected { name, why }: Rejected) -> Self {
        Self {
            name,
            table: why.table,
            instance: why.instance,
        }
    }
}
