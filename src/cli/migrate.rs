//! `flowtrail migrate`: makes or upgrades the tables.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use super::flogo;
use crate::{
    config,
    pg::{
        Connector,
        embedded::Embedded,
        migrate::{self, State},
    },
};

const EXAMPLES: &str = "\
Examples:
  a database of yours
    flowtrail migrate --database-url postgresql://flowtrail@db.example/history
  what would be done
    flowtrail migrate --dry-run --database-url postgresql://flowtrail@db.example/history
  by the database's administrator, for a service that connects as role `flowtrail`
    flowtrail migrate --print > flowtrail.sql
    psql -X -d history -v role=flowtrail -f flowtrail.sql";

/// Make the tables, or upgrade those of an older version in place, keeping their rows
///
/// Safe to run at any time, by several at once and while services write: it waits for its turn, makes
/// indexes without locking anybody out, and does nothing when there is nothing to do. Without a
/// database URL it works on the embedded PostgreSQL under --data-dir.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How the database is reached.
    #[command(flatten)]
    pub database: config::Database,
    /// The private PostgreSQL.
    #[command(flatten)]
    pub embedded: config::Embedded,
    /// Print the statements that would run, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the whole schema as a script for psql, without connecting to a database
    #[arg(long, conflicts_with = "dry_run")]
    pub print: bool,
}

/// Makes or upgrades the tables; says on standard error what it does.
///
/// # Errors
/// One line with its remedy: no database, a schema that cannot be upgraded, standard output that
/// cannot be written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if args.print {
        return print(&migrate::script());
    }
    flogo::apply(&args.database, &args.embedded.data_dir, |note| {
        anstream::eprintln!("{note}");
    })?;
    if let Some(connector) = Connector::configured(&args.database)? {
        return bring_up(&connector, args.dry_run).await;
    }
    if args.dry_run && !Embedded::exists(&args.embedded) {
        anstream::eprintln!(
            "there is no embedded database under {} yet; it would be made",
            args.embedded.data_dir.display()
        );
        return Ok(());
    }
    let embedded = Embedded::start(&args.embedded, &args.database).await?;
    let outcome = bring_up(&embedded.connector(), args.dry_run).await;
    embedded.stop().await?;
    outcome
}

async fn bring_up(connector: &Connector, dry_run: bool) -> anyhow::Result<()> {
    if dry_run {
        let client = connector.connect("migrate", |_| ()).await?;
        let pending = migrate::pending(&client).await?;
        anstream::eprintln!("{}", migrate::state(&client).await?);
        let mut text = String::new();
        for pending in pending {
            // writing to a string cannot fail
            let _ = writeln!(text, "-- {}\n{}", pending.name, pending.sql);
        }
        return print(&text);
    }
    let outcome = migrate::migrate(connector, |line| anstream::eprintln!("{line}")).await?;
    match outcome.state {
        State::Current if outcome.applied.is_empty() => {
            anstream::eprintln!("nothing to do: {}", outcome.state);
        }
        state => anstream::eprintln!("{state}"),
    }
    Ok(())
}

/// Writes data; a reader that has seen enough, like `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
