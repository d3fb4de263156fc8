//! `flowtrail check`: what stands in the way of working with a database, and what to do about it.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};

use super::Usage;
use crate::{
    config::Database,
    pg::{self, Connector, Finding, Level},
};

/// Connections of one server besides its pool: two lanes and the toggles' listener.
const BESIDES_THE_POOL: usize = 3;

/// Look at a database before it is used: reachable, right version, tables, privileges, settings
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The database to look at.
    #[command(flatten)]
    pub database: Database,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Form,
}

/// How the findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// One JSON array
    Json,
}

/// Prints the findings on standard output.
///
/// # Errors
/// [`Usage`] without a database URL; a line that counts the failures when there is one.
pub async fn run(args: &Check) -> anyhow::Result<()> {
    let connector = Connector::configured(&args.database)?.ok_or_else(|| {
        Usage::error("no database to look at; give --database-url or --database-url-file")
    })?;
    let findings = pg::check(&connector, args.database.pool_size + BESIDES_THE_POOL).await?;
    match print(args.output, &findings) {
        // Whoever read the list has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
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

fn print(form: Form, findings: &[Finding]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if form == Form::Json {
        serde_json::to_writer_pretty(&mut out, findings)?;
        return writeln!(out);
    }
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Failure => "FAILURE",
        };
        writeln!(out, "{level:8} {:20} {}", finding.subject, finding.found)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:29} -> {remedy}", "")?;
        }
    }
    out.flush()
}
