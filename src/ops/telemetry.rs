//! Log lines on standard error.

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, prelude::*};

use crate::config::{Log, LogFormat};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read: the command was called wrongly.
    #[error(
        "`{filter}` is not a log filter ({problem}); write it like info or warn,flowtrail=debug"
    )]
    Filter {
        /// What was asked for.
        filter: String,
        /// What is wrong with it.
        problem: ParseError,
    },
    /// Somebody has set up logging in this process already.
    #[error("logging was set up twice")]
    Twice,
}

/// Starts logging as `log` says. Once in a process.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.log).map_err(|problem| Error::Filter {
        filter: log.log.clone(),
        problem,
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let started = match log.log_format {
        LogFormat::Text => {
            // Follows NO_COLOR and CLICOLOR as well as whether this is a terminal.
            let choice = anstream::AutoStream::choice(&std::io::stderr());
            let colored = choice != anstream::ColorChoice::Never;
            registry.with(lines.with_ansi(colored)).try_init()
        }
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_current_span(false))
            .try_init(),
    };
    started.map_err(|_| Error::Twice)
}
