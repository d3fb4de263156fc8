//! `flowtrail rerun`: an instance once more, on an engine.
//!
//! The server says what would run and from what (`plan`); the engine's tester service runs it
//! (`engine`). Values are handed on as they were recorded: no number is read and written anew.

mod engine;
mod plan;

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Usage,
    client::{self, ServerOptions},
    history,
    output::{self, Output},
};
use crate::{
    config,
    proto::{
        PlanRerunRequest, PlanRerunResponse, ReadPayloadRequest, ReadSnapshotRequest,
        read_payload_request::Payload,
    },
};
use engine::{Answer, Engine};

const EXAMPLES: &str = "\
Examples:
  What a rerun would do
    flowtrail rerun 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 --dry-run
  The whole flow again, on an engine whose tester service listens on port 8181
    flowtrail rerun 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 --engine http://localhost:8181
  From step 4 on, with another value of one attribute
    echo '{\"kilos\": 12}' > changed.json
    flowtrail rerun 4f1c2a9be0d84d5ab1c0f3a2c7e5d611 --from-step 4 --input changed.json --engine http://localhost:8181

Exit status: 0 when the engine ran it, 1 when something is missing or the engine refused, 2 when the
command was called wrongly; then nothing ran.";

/// Inputs or attributes by name, each as it was recorded.
type Values = BTreeMap<String, Box<RawValue>>;

/// Run an instance again on an engine: all of its flow, or from a step on
///
/// Shows what would run, asks, and calls the tester service of the engine (flow/tester): the whole
/// flow begins with the recorded inputs, a part of it with the recorded state before the step. The
/// engine makes a new instance of it, which does not name the one that it repeats.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The instance
    pub id: String,
    /// Go on before this step; by default the whole flow runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub from_step: Option<u32>,
    /// JSON object of inputs (or, with --from-step, attributes) that replace the recorded ones of the same name; - is standard input
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// URL of the engine's tester service
    #[arg(
        long,
        value_name = "URL",
        env = "FLOWTRAIL_ENGINE",
        required_unless_present = "dry_run"
    )]
    pub engine: Option<String>,
    /// How long to wait for the engine, which answers when the flow has ended
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = config::duration)]
    pub timeout: Duration,
    /// Show what would run, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Which attempt, from 1; by default the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Form of what is shown; json is one object
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Output,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// What `--output json` prints.
#[derive(Serialize)]
struct Report {
    plan: plan::Plan,
    /// The new instance; null when nothing ran, or the engine did not tell it.
    instance_id: Option<String>,
}

/// Plans, shows, asks and runs.
///
/// # Errors
/// [`Usage`] for options that cannot work; another error when something is missing, the answer to
/// the question is no, or the engine or the server refuses.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let engine = args.engine.as_deref().filter(|_| !args.dry_run);
    let engine = engine
        .map(|url| Engine::new(url, args.timeout))
        .transpose()?;
    let changed = args.input.as_ref().map(read).transpose()?;
    let mut client = history::client(&args.server).await?;
    let request = PlanRerunRequest {
        instance_id: args.id.clone(),
        attempt: args.attempt.unwrap_or_default(),
        from_step: args.from_step,
    };
    let planned = client.plan_rerun(request).await;
    let mut planned = planned
        .map_err(|status| client::refused("rerun", &status))?
        .into_inner();
    // A whole flow needs its name and its inputs; the file has the inputs.
    if args.from_step.is_none() && changed.is_some() && !planned.flow_uri.is_empty() {
        let missing = std::mem::take(&mut planned.missing);
        let left = missing
            .into_iter()
            .map(|sentence| format!("{sentence} (--input stands in)"));
        planned.warnings.extend(left);
    }
    let report = Report {
        plan: plan::Plan::new(&planned, args.from_step, changed.as_ref()),
        instance_id: None,
    };
    if args.output == Output::Table {
        report.plan.print()?;
    }
    let Some(engine) = engine.filter(|_| planned.missing.is_empty()) else {
        if args.output == Output::Json {
            output::object(&report)?;
        }
        anyhow::ensure!(
            planned.missing.is_empty(),
            "it cannot be rerun: {}",
            planned.missing.join(" ")
        );
        return Ok(());
    };
    history::confirm(&format!("Run this on {}?", engine.url()), args.yes)?;
    let answer = match args.from_step {
        None => {
            let inputs = inputs(&mut client, &args, &planned, changed).await?;
            engine.start(&planned.flow_uri, &inputs).await?
        }
        Some(step) => {
            let state = state(&mut client, &args, step - 1).await?;
            engine.restart(&state, &changed.unwrap_or_default()).await?
        }
    };
    tell(&args, report, answer)
}

/// Says which instance it is, and how to look at it.
fn tell(args: &Args, mut report: Report, answer: Answer) -> anyhow::Result<()> {
    report.instance_id = answer.instance_id;
    match (&report.instance_id, args.output) {
        (_, Output::Json) => output::object(&report),
        (Some(id), Output::Table) => {
            output::text(&format!("\nnew instance {id}"))?;
            anstream::eprintln!("look at it with: flowtrail instances show {id}");
            Ok(())
        }
        (None, Output::Table) => {
            anstream::eprintln!(
                "the engine ran it and told no id; look for it with: flowtrail instances list --since 5m"
            );
            Ok(())
        }
    }
}

/// The recorded inputs, those of the file in their place.
async fn inputs(
    client: &mut history::Client,
    args: &Args,
    planned: &PlanRerunResponse,
    changed: Option<Values>,
) -> anyhow::Result<Values> {
    let mut recorded = planned.input.to_vec();
    if recorded.is_empty() && planned.input_bytes > 0 {
        let request = ReadPayloadRequest {
            instance_id: args.id.clone(),
            attempt: args.attempt.unwrap_or_default(),
            payload: Payload::Input.into(),
        };
        recorded = history::pieces("rerun", client.read_payload(request).await).await?;
    }
    let mut inputs = match (&recorded[..], &changed) {
        (b"", _) => Values::new(),
        (recorded, changed) => match serde_json::from_slice(recorded) {
            Ok(inputs) => inputs,
            Err(_) if changed.is_some() => Values::new(),
            Err(_) => {
                anyhow::bail!("the recorded input is no JSON object; give the inputs with --input")
            }
        },
    };
    inputs.extend(changed.unwrap_or_default());
    Ok(inputs)
}

/// The state after a step.
async fn state(
    client: &mut history::Client,
    args: &Args,
    step: u32,
) -> anyhow::Result<Box<RawValue>> {
    let request = ReadSnapshotRequest {
        instance_id: args.id.clone(),
        attempt: args.attempt.unwrap_or_default(),
        step_id: Some(step),
    };
    let state = history::pieces("rerun", client.read_snapshot(request).await).await?;
    serde_json::from_slice(&state).context("the server's snapshot is no JSON")
}

fn read(file: &PathBuf) -> anyhow::Result<Values> {
    let name = file.display();
    let mut text = String::new();
    let result = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    result
        .map_err(|error| Usage::error(format!("--input {name}: {error}; name a readable file")))?;
    serde_json::from_str(&text).map_err(|error| {
        Usage::error(format!(
            "--input {name}: it is no JSON object ({error}); write {{\"name\": value}}"
        ))
    })
}
