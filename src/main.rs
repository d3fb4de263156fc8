//! The `flowtrail` program.

use std::process::ExitCode;

use anyhow::Context;
use flowtrail::cli::{self, Cli};

fn main() -> ExitCode {
    cli::exit(&run())
}

fn run() -> anyhow::Result<()> {
    cli::environment()?;
    let cli = Cli::from_command_line()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(cli.run())
}
