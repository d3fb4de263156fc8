//! `flowtrail apps`: which apps have their history recorded.

use clap::Subcommand;
use serde::Serialize;
use tonic::transport::Channel;

use super::{
    client::{self, ServerOptions},
    output::{self, Output},
};
use crate::proto::{self, ListAppsRequest, SetAppRequest, apps_client::AppsClient};

/// Apps in one answer are as many as there are: the client's default of 4 MiB is too few for some.
const MAX_ANSWER: usize = 256 << 20;

const EXAMPLES: &str = "\
Examples:
  Which apps there are and which are recorded
    flowtrail apps list
  Stop recording an app whose engines run with FLOGO_APP_USERNAME=acme
    flowtrail apps disable orders --user acme
  For a script
    flowtrail apps list --output json | jq -r '.[] | select(.recorded | not) | .app'";

/// Show and decide which apps are recorded
///
/// A decision reaches every server and every open stream within a second. While an app is off none
/// of its starts and steps is stored; an end still completes an instance that is.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// List every app that was seen or decided on
    List {
        /// Only apps of this user
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Record the history of an app from now on
    Enable(Decision),
    /// Stop recording the history of an app
    Disable(Decision),
}

#[derive(clap::Args, Clone, Debug)]
struct Decision {
    /// Name of the app
    app: String,
    /// Whose app it is: what its engines have in FLOGO_APP_USERNAME
    #[arg(long, value_name = "USER", default_value = "flogo")]
    user: String,
    #[command(flatten)]
    terms: Terms,
}

#[derive(clap::Args, Clone, Debug)]
struct Terms {
    /// Form of the output
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
    #[command(flatten)]
    server: ServerOptions,
}

#[derive(Serialize)]
struct Row {
    user: String,
    app: String,
    version: Option<String>,
    /// The stored decision.
    decision: Option<bool>,
    recorded: bool,
}

/// Asks the server and prints the apps concerned.
///
/// # Errors
/// One line when the server cannot be reached or refuses.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (apps, terms) = match &args.command {
        Command::List { user, terms } => (list(user.clone(), terms).await?, terms),
        Command::Enable(decision) => (set(decision, true).await?, &decision.terms),
        Command::Disable(decision) => (set(decision, false).await?, &decision.terms),
    };
    let rows: Vec<Row> = apps.into_iter().map(Row::from).collect();
    output::rows(terms.output, &rows)
}

async fn list(user: Option<String>, terms: &Terms) -> anyhow::Result<Vec<proto::App>> {
    let mut client = terms.client().await?;
    let listed = client.list(ListAppsRequest { user }).await;
    let response = listed.map_err(|status| client::refused("apps list", &status))?;
    Ok(response.into_inner().apps)
}

async fn set(decision: &Decision, enabled: bool) -> anyhow::Result<Vec<proto::App>> {
    let mut client = decision.terms.client().await?;
    let request = SetAppRequest {
        user: decision.user.clone(),
        app: decision.app.clone(),
        persistence_enabled: enabled,
    };
    let call = if enabled {
        "apps enable"
    } else {
        "apps disable"
    };
    let set = client.set(request).await;
    let response = set.map_err(|status| client::refused(call, &status))?;
    Ok(response.into_inner().app.into_iter().collect())
}

impl Terms {
    async fn client(&self) -> anyhow::Result<AppsClient<Channel>> {
        let channel = self.server.channel().await?;
        Ok(AppsClient::new(channel).max_decoding_message_size(MAX_ANSWER))
    }
}

impl From<proto::App> for Row {
    fn from(app: proto::App) -> Self {
        Self {
            user: app.user,
            app: app.app,
            version: app.app_version,
            decision: app.decision,
            recorded: app.persistence_enabled,
        }
    }
}
