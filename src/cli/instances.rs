//! `flowtrail instances`: past instances, found, shown and deleted.

use clap::Subcommand;
use serde::Serialize;

use super::{
    client::{self, ServerOptions},
    filter::Filter,
    history,
    output::{self, Output},
    rows, show,
};
use crate::proto::{
    DeleteInstanceRequest, GetInstanceRequest, InstanceFilter, ListInstancesRequest,
};

/// Instances the server puts into one answer at most.
const PAGE: u32 = 1_000;

const EXAMPLES: &str = "\
Examples:
  What failed in the last two hours
    flowtrail instances list --status Failed --since 2h
  Everything about one, with its input and output
    flowtrail instances show 4f1c2a9be0d84d5ab1c0f3a2c7e5d611
  For a script: ids of all that ran longer than a minute
    flowtrail instances list --min-duration 1m --limit 100000 --output json | jq -r '.[].id'";

/// Find, show and delete past instances
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// List instances, the newest first
    List(Box<List>),
    /// Show one instance: what is missing of it, its attempts, its reruns, its input and output
    Show(show::Args),
    /// Delete an instance with every attempt and step
    Delete(Delete),
}

#[derive(clap::Args, Clone, Debug)]
struct List {
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(clap::Args, Clone, Debug)]
struct Delete {
    /// The instance
    id: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Form of the result
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerOptions,
}

/// What was deleted.
#[derive(Serialize)]
struct Deleted {
    instance: String,
    attempts: u64,
    steps: u64,
}

/// Asks the server and prints its answer.
///
/// # Errors
/// One line when the server cannot be reached, refuses, or does not know the instance.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::List(args) => list(*args).await,
        Command::Show(args) => show::run(args).await,
        Command::Delete(args) => delete(args).await,
    }
}

async fn list(args: List) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let filter = InstanceFilter::from(&args.filter);
    let limit = args.limit as usize;
    let mut found = Vec::new();
    let mut page = String::new();
    loop {
        let left = u32::try_from(limit - found.len()).unwrap_or(PAGE);
        let request = ListInstancesRequest {
            filter: Some(filter.clone()),
            page_size: left.min(PAGE),
            page,
        };
        let listed = client.list_instances(request).await;
        let listed = listed.map_err(|status| client::refused("instances list", &status))?;
        let listed = listed.into_inner();
        found.extend(listed.instances);
        page = listed.next_page;
        if page.is_empty() || found.len() >= limit {
            break;
        }
    }
    rows::instances(args.output, found)?;
    if !page.is_empty() {
        anstream::eprintln!("there are more; raise --limit or narrow the list");
    }
    Ok(())
}

async fn delete(args: Delete) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let refused = |status: tonic::Status| client::refused("instances delete", &status);
    if !args.yes {
        let request = GetInstanceRequest {
            instance_id: args.id.clone(),
            attempt: 0,
        };
        let found = client.get_instance(request).await.map_err(refused)?;
        let found = found.into_inner();
        let instance = found.instance.unwrap_or_default();
        let question = format!(
            "Delete {} ({} of {}, {}, attempts: {}) with all its steps?",
            args.id, instance.flow_name, instance.app, instance.status, found.attempts
        );
        history::confirm(&question, false)?;
    }
    let request = DeleteInstanceRequest {
        instance_id: args.id.clone(),
    };
    let deleted = client.delete_instance(request).await.map_err(refused)?;
    let deleted = deleted.into_inner();
    let row = Deleted {
        instance: args.id,
        attempts: deleted.attempts,
        steps: deleted.steps,
    };
    output::rows(args.output, &[row])
}
