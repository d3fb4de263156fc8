//! `flowtrail snapshot`: the state of an instance after a step.

use super::{client::ServerOptions, history, output, pretty::pretty};
use crate::proto::ReadSnapshotRequest;

const EXAMPLES: &str = "\
Examples:
  The state at the end
    flowtrail snapshot 4f1c2a9be0d84d5ab1c0f3a2c7e5d611
  What the flow's attributes were after step 3
    flowtrail snapshot 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 3 | jq .attrs";

/// Print the state of an instance after a step, as JSON
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The instance
    pub id: String,
    /// Number of the step; by default the last one
    #[arg(value_name = "N")]
    pub step: Option<u32>,
    /// Which attempt, from 1; by default the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Reads the snapshot and prints it.
///
/// # Errors
/// One line when the server cannot be reached, refuses, or does not know the instance.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let request = ReadSnapshotRequest {
        instance_id: args.id,
        attempt: args.attempt.unwrap_or_default(),
        step_id: args.step,
    };
    let state = history::pieces("snapshot", client.read_snapshot(request).await).await?;
    output::bytes(&pretty(&state))
}
