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
    // Who serves uses every core; the others leave them to whom they talk to.
    let mut runtime = if cli.serves() {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    runtime
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(cli.run())
}
