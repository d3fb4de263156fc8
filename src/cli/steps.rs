//! `flowtrail steps`: the steps of an instance.

use super::{
    client::{self, ServerOptions},
    history,
    output::Output,
    rows,
};
use crate::proto::ListStepsRequest;

const EXAMPLES: &str = "\
Examples:
  What an instance did
    flowtrail steps 4f1c2a9be0d84d5ab1c0f3a2c7e5d611
  For a script: the steps that failed
    flowtrail steps --output json 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 | jq '.[] | select(.status == \"Failed\")'";

/// List the steps of an instance
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The instance
    pub id: String,
    /// Which attempt, from 1; by default the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Output,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Asks the server and prints the steps.
///
/// # Errors
/// One line when the server cannot be reached, refuses, or does not know the instance.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let mut steps = Vec::new();
    let mut after = None;
    loop {
        let request = ListStepsRequest {
            instance_id: args.id.clone(),
            attempt: args.attempt.unwrap_or_default(),
            page_size: 0,
            after,
        };
        let listed = client.list_steps(request).await;
        let listed = listed.map_err(|status| client::refused("steps", &status))?;
        let listed = listed.into_inner();
        steps.extend(listed.steps);
        after = steps.last().map(|step| step.step_id);
        if !listed.more {
            break;
        }
    }
    rows::steps(args.output, steps)
}
