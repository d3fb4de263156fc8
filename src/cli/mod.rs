//! How it is driven: the commands of the `flowtrail` program, one file each.
//!
//! Standard output is data, standard error is talk. A failure is one line with its remedy; the
//! exit status is 2 when the command was called wrongly and 1 when it could not be carried out.

pub mod check;
pub mod migrate;
pub mod apps;
pub mod client;
pub mod output;

use std::{borrow::Cow, fmt, process::ExitCode};

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
            let line = format!("{error:#}").replace('\n', " ");
            anstream::eprintln!("flowtrail: {line}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
