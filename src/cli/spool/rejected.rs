//! `flowtrail spool rejected`: rows that the database refused.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Serialize;

use super::{Place, columns::Columns, timestamp};
use crate::{
    cli::{
        history::{short_time, time},
        output::{self, Output},
    },
    ingest::spool::{self, Rejected, Why},
};

const EXAMPLES: &str = "\
Examples:
  What was refused, and why
    flowtrail spool rejected --data-dir /var/lib/flowtrail
  One of them with everything it would have stored
    flowtrail spool rejected --show 00064c1f2a9be0d8-00000000000000000042-000003
  For a script: how many there are of each table
    flowtrail spool rejected --output json | jq 'group_by(.table) | map({(.[0].table): length}) | add'";

/// List the rows that the database refused, or show one
///
/// A row that the database refuses while the spool is drained, by a constraint or a trigger of yours
/// for instance, is put aside with the reason, and what was recorded with it goes on. It stays until
/// it is tried again: flowtrail spool retry.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Show this row, with all of its columns
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Form of the list; json of one row is an object
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Row {
    name: String,
    table: String,
    instance: String,
    user: Option<String>,
    app: Option<String>,
    spooled: Option<String>,
    rejected: Option<String>,
    reason: String,
}

/// What of it fits into a line.
#[derive(Serialize)]
struct Line {
    name: String,
    table: String,
    instance: String,
    app: Option<String>,
    rejected: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: Row,
    columns: Option<Columns<'a>>,
}

/// Prints the list, or one row.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let rejected = spool::rejected(&args.place.dir()?)?;
    if let Some(name) = &args.show {
        let row = rejected.into_iter().find(|row| row.name == *name);
        let row = row.with_context(|| {
            format!("no rejected row is named {name}; flowtrail spool rejected lists them")
        })?;
        return show(args, row);
    }
    if rejected.is_empty() {
        anstream::eprintln!("no row was rejected");
    }
    match args.output {
        Output::Json => {
            let rows: Vec<_> = rejected.into_iter().map(Row::from).collect();
            output::rows(Output::Json, &rows)
        }
        Output::Table => {
            let lines: Vec<_> = rejected.into_iter().map(Line::from).collect();
            output::rows(Output::Table, &lines)
        }
    }
}

fn show(args: &Args, row: Rejected) -> anyhow::Result<()> {
    let dir = args.place.dir()?;
    let record = spool::rejected_row(&dir, &row.name)?;
    let record = record.map(|(_, record)| record);
    let bytes = record.map(|record| [&record.steps.bytes[..], &record.flows.bytes].concat());
    let columns = bytes.as_deref().and_then(Columns::of);
    let damaged = columns.is_none().then(|| row.name.clone());
    let row = Row::from(row);
    if args.output == Output::Json {
        output::object(&Shown { row, columns })?;
    } else {
        let mut text = String::new();
        for (name, value) in [
            ("name", Some(row.name)),
            ("reason", Some(row.reason)),
            ("table", Some(row.table)),
            ("user", row.user),
            ("app", row.app),
            ("spooled", row.spooled),
            ("rejected", row.rejected),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                // writing to a text cannot fail
                let _ = writeln!(text, "{name:<22} {value}");
            }
        }
        let columns = columns.map(|columns| columns.text()).unwrap_or_default();
        output::text(&format!("{text}\n{}", columns.trim_end()))?;
    }
    match damaged {
        Some(name) => anyhow::bail!("the file of {name} is damaged; it cannot be tried again"),
        None => Ok(()),
    }
}

/// A time of a row; one that is damaged has none.
fn at(since_1970: i64) -> Option<prost_types::Timestamp> {
    (since_1970 != 0).then(|| timestamp(since_1970))
}

impl From<Rejected> for Row {
    fn from(Rejected { name, why }: Rejected) -> Self {
        Self {
            name,
            table: why.table,
            instance: why.instance,
            user: why.user,
            app: why.app,
            spooled: time(at(why.spooled_at).as_ref()),
            rejected: time(at(why.rejected_at).as_ref()),
            reason: why.reason,
        }
    }
}

impl From<Rejected> for Line {
    fn from(Rejected { name, why }: Rejected) -> Self {
        let Why {
            table,
            instance,
            app,
            rejected_at,
            reason,
            ..
        } = why;
        Self {
            name,
            table,
            instance,
            app,
            rejected: short_time(at(rejected_at).as_ref()),
            reason,
        }
    }
}
