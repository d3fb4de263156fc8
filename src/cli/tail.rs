//! `flowtrail tail`: instances as they change.

use std::{error::Error as _, time::Duration};

use tonic::{Code, Status};

use super::{
    client::{self, ServerOptions},
    filter::Filter,
    history,
    output::{self, Output},
    rows,
};
use crate::proto::{Instance, InstanceFilter, WatchInstancesRequest, WatchInstancesResponse};

/// Between two tries to reach a server that went away, at most.
const PAUSE: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  Everything
    flowtrail tail
  What fails, as JSON lines
    flowtrail tail --status Failed --output json | jq -r .id";

/// Follow instances as they start, end and are rerun
///
/// One line for each change, until Ctrl-C. An instance that changes often within two seconds is shown
/// once, as it is then. When the server goes away it is asked again until it is back.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Form of a line; json is an object
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Output,
    /// Which instances.
    #[command(flatten)]
    pub filter: Filter,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Why a line of changes ended.
enum End {
    /// Nobody reads the output any more.
    Unread,
    /// It broke, and may come back.
    Broken(String),
}

/// Prints changes until Ctrl-C or until nobody reads them.
///
/// # Errors
/// One line when the server cannot be reached at the beginning, or refuses.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = history::client(&args.server).await?;
    tokio::select! {
        ended = follow(&args, client) => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn follow(args: &Args, mut client: history::Client) -> anyhow::Result<()> {
    let mut pause = Duration::ZERO;
    let mut said = false;
    loop {
        let mut answered = false;
        let End::Broken(why) = changes(args, &mut client, &mut answered).await? else {
            return Ok(());
        };
        if answered {
            (pause, said) = (Duration::ZERO, false);
        }
        if !said {
            anstream::eprintln!("{why}; trying again until the server answers");
            said = true;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).clamp(Duration::from_millis(200), PAUSE);
    }
}

/// Prints changes until the stream ends; `answered` is set when it has begun.
async fn changes(
    args: &Args,
    client: &mut history::Client,
    answered: &mut bool,
) -> anyhow::Result<End> {
    let filter = Some(InstanceFilter::from(&args.filter));
    let mut stream = match client
        .watch_instances(WatchInstancesRequest { filter })
        .await
    {
        Ok(response) => response.into_inner(),
        Err(status) => return ended(&status),
    };
    let mut first = true;
    loop {
        let response = match stream.message().await {
            Ok(Some(response)) => response,
            Ok(None) => return ended(&Status::unavailable("the server stops")),
            Err(status) => return ended(&status),
        };
        *answered = true;
        let WatchInstancesResponse { changed, resync } = response;
        if resync && !first {
            anstream::eprintln!(
                "changes may have been missed here; `flowtrail instances list` shows what is"
            );
        }
        first = false;
        for instance in changed {
            if !output::line(&line(args.output, instance)?)? {
                return Ok(End::Unread);
            }
        }
    }
}

/// Whether it is worth trying again.
fn ended(status: &Status) -> anyhow::Result<End> {
    match status.code() {
        _ if status.source().is_some() => Ok(End::Broken("the connection broke".to_owned())),
        Code::Unavailable => Ok(End::Broken(status.message().to_owned())),
        _ => Err(client::refused("tail", status)),
    }
}

fn line(output: Output, instance: Instance) -> anyhow::Result<String> {
    if output == Output::Json {
        return Ok(serde_json::to_string(&rows::Instance::from(instance))?);
    }
    let at = instance.end_time.as_ref().or(instance.start_time.as_ref());
    let at = history::short_time(at).unwrap_or_default();
    let took = instance.execution_time.as_ref().map(history::span);
    Ok(format!(
        "{at:<23}  {:<9}  {}  {} {}  {}",
        instance.status,
        instance.instance_id,
        instance.app,
        instance.flow_name,
        took.unwrap_or_default(),
    )
    .trim_end()
    .to_owned())
}
