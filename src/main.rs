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
    let mut runtime = if let Some(workers) = cli.workers() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        // Of none the command tells what is wrong with it.
        runtime.worker_threads(workers.max(1));
        runtime
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    runtime
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(cli.run())
}
