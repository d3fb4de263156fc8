//! `flowtrail step`: what an engine reported of one step.

use super::{client::ServerOptions, history, output, pretty::pretty};
use crate::proto::ReadStepRequest;

const EXAMPLES: &str = "\
Examples:
  What step 3 of an instance did
    flowtrail step 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 3";

/// Print the data of a step: JSON with line ends, anything else as it is
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The instance
    pub id: String,
    /// Number of the step
    #[arg(value_name = "N")]
    pub step: u32,
    /// Which attempt, from 1; by default the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Reads the step and prints it.
///
/// # Errors
/// One line when the server cannot be reached, refuses, or does not know the step.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let request = ReadStepRequest {
        instance_id: args.id,
        attempt: args.attempt.unwrap_or_default(),
        step_id: args.step,
    };
    let data = history::pieces("step", client.read_step(request).await).await?;
    output::bytes(&pretty(&data))
}
