//! `flowtrail completions`: completion scripts for shells.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  bash
    flowtrail completions bash > ~/.local/share/bash-completion/completions/flowtrail
  zsh, in a directory of $fpath
    flowtrail completions zsh > ~/.zfunc/_flowtrail";

/// Print a completion script for a shell
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script on standard output.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "flowtrail",
        &mut script,
    );
    match std::future::ready(io::stdout().write_all(&script)).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
