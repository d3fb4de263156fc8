//! `flowtrail instances show`: one instance, what is missing of it, and what belongs to it.

mod json;

use std::fmt::Write as _;

use super::{
    client::{self, ServerOptions},
    history, output,
    output::Output,
    pretty::pretty,
    rows,
};
use crate::proto::{
    GetInstanceRequest, GetInstanceResponse, GetLineageRequest, GetLineageResponse,
    ListAttemptsRequest, Missing, ReadPayloadRequest, read_payload_request::Payload,
};
use json::{Attempt, Shown, raw};

/// Payloads up to this size are shown without being asked for.
const SHOWN: u64 = 16 << 10;

const EXAMPLES: &str = "\
Examples:
  The newest attempt
    flowtrail instances show 4f1c2a9be0d84d5ab1c0f3a2c7e5d611
  The first attempt of one that was rerun in place, whatever the size of its input
    flowtrail instances show --attempt 1 --payloads 4f1c2a9be0d84d5ab1c0f3a2c7e5d611";

/// What `instances show` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The instance
    pub id: String,
    /// Which attempt, from 1; by default the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Show input and output over 16 KiB too
    #[arg(long)]
    pub payloads: bool,
    /// Form of what is shown; json is one object
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub output: Output,
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
}

/// Asks the server and prints everything.
///
/// # Errors
/// One line when the server cannot be reached, refuses, or does not know the instance.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut client = history::client(&args.server).await?;
    let refused = |status: tonic::Status| client::refused("instances show", &status);
    let request = GetInstanceRequest {
        instance_id: args.id.clone(),
        attempt: args.attempt.unwrap_or_default(),
    };
    let found = client.get_instance(request).await.map_err(refused)?;
    let found = found.into_inner();
    let instance_id = args.id.clone();
    let attempts = client
        .list_attempts(ListAttemptsRequest { instance_id })
        .await;
    let attempts = attempts.map_err(refused)?.into_inner().attempts;
    let instance_id = args.id.clone();
    let lineage = client.get_lineage(GetLineageRequest { instance_id }).await;
    let lineage = lineage.map_err(refused)?.into_inner();
    let input = payload(&mut client, &args, Payload::Input, found.input_bytes).await?;
    let output = payload(&mut client, &args, Payload::Output, found.output_bytes).await?;
    let attempts: Vec<Attempt> = attempts.into_iter().map(Attempt::from).collect();
    if args.output == Output::Table {
        return table(
            found,
            &attempts,
            lineage,
            input.as_deref(),
            output.as_deref(),
        );
    }
    output::object(&Shown {
        instance: found.instance.unwrap_or_default().into(),
        attempt: found.attempt,
        steps: found.steps,
        missing: found.missing.unwrap_or_default().into(),
        attempts,
        lineage: lineage.into(),
        input: input.as_deref().and_then(raw),
        input_bytes: found.input_bytes,
        output: output.as_deref().and_then(raw),
        output_bytes: found.output_bytes,
    })
}

/// The payload, if it is there and not too large to be shown.
async fn payload(
    client: &mut history::Client,
    args: &Args,
    payload: Payload,
    bytes: Option<u64>,
) -> anyhow::Result<Option<Vec<u8>>> {
    if bytes.is_none_or(|bytes| bytes > SHOWN && !args.payloads) {
        return Ok(None);
    }
    let request = ReadPayloadRequest {
        instance_id: args.id.clone(),
        attempt: args.attempt.unwrap_or_default(),
        payload: payload.into(),
    };
    let answer = client.read_payload(request).await;
    history::pieces("instances show", answer).await.map(Some)
}

fn table(
    found: GetInstanceResponse,
    attempts: &[Attempt],
    lineage: GetLineageResponse,
    input: Option<&[u8]>,
    output: Option<&[u8]>,
) -> anyhow::Result<()> {
    let instance = found.instance.unwrap_or_default();
    let missing = found.missing.unwrap_or_default();
    let mut text = String::new();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            // writing to a text cannot fail
            let _ = writeln!(text, "{name:<11} {value}");
        }
    };
    let time = |time| history::short_time(time).map(|time| format!("{time} UTC"));
    say("instance", &instance.instance_id);
    say("user", &instance.user);
    say("app", &format!("{} {}", instance.app, instance.app_version));
    say("flow", &instance.flow_name);
    say("host", &instance.host);
    say("status", &instance.status);
    say(
        "started",
        &time(instance.start_time.as_ref()).unwrap_or_default(),
    );
    if let Some(took) = &instance.execution_time {
        say(
            "ended",
            &time(instance.end_time.as_ref()).unwrap_or_default(),
        );
        say("took", &history::span(took));
    }
    say("parent", &instance.parent_instance_id);
    say(
        "attempt",
        &format!("{} of {}", found.attempt, found.attempts),
    );
    say("steps", &found.steps.to_string());
    say("missing", &sentence(&missing));
    output::text(text.trim_end())?;
    if attempts.len() > 1 {
        output::text("\nAttempts:")?;
        output::rows(Output::Table, attempts)?;
    }
    if lineage.original_missing || !lineage.originals.is_empty() {
        output::text("\nA rerun of:")?;
        rows::instances(Output::Table, lineage.originals)?;
        if lineage.original_missing {
            output::text("and of one that is not stored")?;
        }
    }
    if !lineage.reruns.is_empty() {
        output::text("\nReruns:")?;
        rows::instances(Output::Table, lineage.reruns)?;
    }
    section("Input", input, found.input_bytes)?;
    section("Output", output, found.output_bytes)
}

/// A payload under its name, or its size when it is too large.
fn section(name: &str, payload: Option<&[u8]>, bytes: Option<u64>) -> anyhow::Result<()> {
    match (payload, bytes) {
        (_, None) => Ok(()),
        (None, Some(bytes)) => {
            output::text(&format!("\n{name}: {bytes} bytes; --payloads shows it"))
        }
        (Some(payload), Some(_)) => {
            output::text(&format!("\n{name}:"))?;
            output::bytes(&pretty(payload))
        }
    }
}

/// What is missing, in words.
fn sentence(missing: &Missing) -> String {
    let mut parts = Vec::new();
    if missing.start {
        parts.push("its start".to_owned());
    }
    parts.extend(
        missing
            .steps
            .iter()
            .map(|range| match (range.from, range.to) {
                (from, to) if from == to => format!("step {from}"),
                (from, to) => format!("steps {from} to {to}"),
            }),
    );
    if missing.last_steps {
        parts.push("the last steps".to_owned());
    }
    parts.join(", ")
}
