//! How it is driven: the commands of the `flowtrail` program, one file each.
//!
//! Standard output is data, standard error is talk. A failure is one line with its remedy; the
//! exit status is 2 when the command was called wrongly and 1 when it could not be carried out.
//!
//! Shared by the commands: `client` reaches a server, `output` prints rows, `stream` sends events,
//! `traffic`, `fresh` and `play` make them from recorded requests.

pub mod apps;
pub mod check;
pub mod client;
pub mod completions;
pub mod demo;
pub mod filter;
pub mod flogo;
pub mod fresh;
pub mod history;
pub mod instances;
pub mod load;
pub mod migrate;
pub mod output;
pub mod pending;
pub mod play;
pub mod pretty;
pub mod record;
pub mod rerun;
pub mod rows;
pub mod serve;
pub mod show;
pub mod snapshot;
pub mod spool;
pub mod step;
pub mod steps;
pub mod stream;
pub mod tail;
pub mod traffic;

use std::{borrow::Cow, fmt, io::Write, process::ExitCode};

use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::{ops::telemetry, pg, server};

const EXAMPLES: &str = "\
Examples:
  See it work: a server of its own, recorded flows, what was stored
    flowtrail demo
  Take events, on an embedded PostgreSQL
    flowtrail serve
  Play recorded traffic to a server
    flowtrail record --server http://127.0.0.1:9190 traffic.jsonl

Every command has examples of its own: flowtrail help COMMAND
Options can also be set by the environment variables that help names; a file .env in the working
directory is read first and does not replace variables that are set.

Exit status: 0 done, 1 could not be done, 2 called wrongly.";

/// The execution history of flow engines, kept in PostgreSQL
///
/// Engines stream what happened over gRPC; flowtrail writes it to PostgreSQL, acknowledges only what
/// is durable, and lets operators switch history on and off per app while everything runs.
#[derive(Debug, Parser)]
#[command(name = "flowtrail", version, after_help = EXAMPLES, propagate_version = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// A command is a module of the same name with `Args` and `run`, and one line here.
macro_rules! commands {
    ($($name:ident => $module:ident,)*) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($name(Box<$module::Args>),)*
        }

        impl Command {
            async fn run(self) -> anyhow::Result<()> {
                match self {
                    $(Self::$name(args) => $module::run(*args).await,)*
                }
            }
        }
    };
}

commands! {
    Serve => serve,
    Demo => demo,
    Migrate => migrate,
    Check => check,
    Apps => apps,
    Instances => instances,
    Steps => steps,
    Step => step,
    Snapshot => snapshot,
    Tail => tail,
    Rerun => rerun,
    Record => record,
    Load => load,
    Spool => spool,
    Completions => completions,
}

impl Cli {
    /// The command line of this process, with what `--flogo-config` says under it. A line that
    /// cannot be understood ends the process with clap's words and status 2.
    ///
    /// # Errors
    /// [`Usage`] when that file cannot be used.
    pub fn from_command_line() -> anyhow::Result<Self> {
        let (_, matches) = flogo::matches(std::env::args_os())?;
        Ok(Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
    }

    /// The threads it wants, if it is one that serves.
    pub fn workers(&self) -> Option<usize> {
        let config = match &self.command {
            Command::Serve(args) => &args.config,
            Command::Demo(args) => &args.config,
            _ => return None,
        };
        Some(config.listen.workers)
    }

    /// Carries out the command.
    ///
    /// # Errors
    /// [`Usage`] when it was called wrongly, any other error when it could not be carried out.
    pub async fn run(self) -> anyhow::Result<()> {
        self.command.run().await
    }
}

/// Takes the variables of a file `.env` in the working directory that are not set yet. Only for the
/// beginning of the program: no other thread may run.
///
/// # Errors
/// [`Usage`] when the file is there and cannot be read.
pub fn environment() -> anyhow::Result<()> {
    match dotenvy::from_path(".env") {
        Err(dotenvy::Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        // The line itself may hold a password.
        Err(dotenvy::Error::LineParse(..)) => Err(Usage::error(
            ".env: a line is not NAME=value; put a value with blanks or quotes into single quotes",
        )),
        Err(error) => Err(Usage::error(format!(
            ".env: {error}; make it readable or remove it"
        ))),
        Ok(()) => Ok(()),
    }
}

/// The command was called with something that cannot work: exit status 2.
#[derive(Debug)]
pub struct Usage(pub Cow<'static, str>);

impl Usage {
    /// An error that names the argument and the remedy.
    pub fn error(message: impl Into<Cow<'static, str>>) -> anyhow::Error {
        Self(message.into()).into()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit status that goes with the outcome of a command; a failure is said on standard error in
/// one line, causes joined by colons.
#[must_use]
pub fn exit(outcome: &anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it, then the status alone has to say it.
            drop(writeln!(anstream::stderr(), "flowtrail: {}", line(error)));
            ExitCode::from(if called_wrongly(error) { 2 } else { 1 })
        }
    }
}

/// The error and its causes, those left out that it says itself.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.replace('\n', " ")
}

/// Whether the command line or the environment is at fault, as opposed to the world.
fn called_wrongly(error: &anyhow::Error) -> bool {
    error.is::<Usage>()
        || matches!(error.downcast_ref(), Some(pg::Error::Url(_)))
        || matches!(error.downcast_ref(), Some(server::Error::Tls(_)))
        || matches!(error.downcast_ref(), Some(telemetry::Error::Filter { .. }))
}
