//! `flowtrail spool status`: how much is kept.

use std::{fmt::Write as _, time::SystemTime};

use indicatif::HumanBytes;
use serde::Serialize;

use super::{Place, timestamp};
use crate::{
    cli::{
        history::{self, short_time, span},
        output::{self, Output},
    },
    ingest::spool::{Survey, Surveyed},
};

const EXAMPLES: &str = "\
Examples:
  What the service on this machine keeps
    flowtrail spool status --data-dir /var/lib/flowtrail
  For a script: how many events are not in the database yet
    flowtrail spool status --output json | jq .events";

/// Show how much is kept, since when, and who uses it
///
/// All of the spool is read. A segment counts as a whole until all of its events are in the database:
/// while a service writes them there are fewer left than is shown; its metric
/// flowtrail_spool_pending_events is exact.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Form of the status; json is one object
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Status {
    events: u64,
    records: u64,
    bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
    /// The database it is for; null when there is nothing in it.
    database: Option<String>,
    in_use: bool,
    pid: Option<u32>,
    damaged: usize,
    quarantined: usize,
    rejected: usize,
    /// Rows that wait to be tried again.
    retried: usize,
    segments: Vec<Segment>,
}

/// The same as JSON and in a table.
#[derive(Serialize)]
struct Segment {
    file: String,
    first_sequence: u64,
    records: u64,
    events: u64,
    bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
    damaged: usize,
    format: Option<u16>,
}

/// Reads the spool and prints what is in it.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let survey = args.place.survey().await?;
    if args.output == Output::Json {
        return output::object(&Status::of(&survey));
    }
    let dir = args.place.dir()?;
    if !dir.exists() {
        anstream::eprintln!("there is no spool in {} yet", args.place.data_dir.display());
    }
    table(&survey)
}

fn oldest(survey: &Survey) -> Option<i64> {
    let times = survey.segments.iter().filter_map(|found| found.oldest_at);
    times.min()
}

impl Status {
    fn of(survey: &Survey) -> Self {
        let segments = || survey.segments.iter();
        let time = |at: Option<i64>| history::time(at.map(timestamp).as_ref());
        Self {
            events: segments().map(|found| found.events).sum(),
            records: segments().map(|found| found.records).sum(),
            bytes: segments().map(|found| found.bytes).sum(),
            oldest: time(oldest(survey)),
            newest: time(segments().filter_map(|found| found.newest_at).max()),
            database: segments()
                .find_map(|found| found.database)
                .map(|id| id.to_string()),
            in_use: survey.in_use,
            pid: survey.pid,
            damaged: segments().map(|found| found.damage.len()).sum(),
            quarantined: survey.quarantined.len(),
            rejected: survey.rejected.len(),
            retried: survey.retried,
            segments: segments()
                .map(|found| Segment::of(found, history::time))
                .collect(),
        }
    }
}

impl Segment {
    fn of(found: &Surveyed, time: fn(Option<&prost_types::Timestamp>) -> Option<String>) -> Self {
        let name = found.file.file_name().unwrap_or_default();
        let time = |at: Option<i64>| time(at.map(timestamp).as_ref());
        Self {
            file: name.to_string_lossy().into_owned(),
            first_sequence: found.first,
            records: found.records,
            events: found.events,
            bytes: found.bytes,
            oldest: time(found.oldest_at),
            newest: time(found.newest_at),
            damaged: found.damage.len(),
            format: found.format,
        }
    }
}

fn table(survey: &Survey) -> anyhow::Result<()> {
    let status = Status::of(survey);
    let mut text = String::new();
    let mut say = |name: &str, value: &str| {
        // writing to a text cannot fail
        let _ = writeln!(text, "{name:<11} {value}");
    };
    say(
        "events",
        &format!("{} in {} records", status.events, status.records),
    );
    let segments = status.segments.len();
    let bytes = HumanBytes(status.bytes);
    say("disk", &format!("{bytes} in {segments} segments"));
    if let Some(at) = oldest(survey) {
        let shown = short_time(Some(&timestamp(at))).unwrap_or_default();
        say("oldest", &format!("{shown} UTC, {} ago", age(at)));
    }
    if let Some(database) = &status.database {
        say("database", database);
    }
    say(
        "service",
        &match (survey.in_use, survey.pid) {
            (false, _) => "none runs".to_owned(),
            (true, pid) => super::service(pid),
        },
    );
    for (name, number, remedy) in [
        ("damaged", status.damaged, "flowtrail spool verify"),
        ("quarantined", status.quarantined, "files are kept there"),
        ("rejected", status.rejected, "flowtrail spool rejected"),
        ("to retry", status.retried, "within seconds of a service"),
    ] {
        if number > 0 {
            say(name, &format!("{number} ({remedy})"));
        }
    }
    output::text(text.trim_end())?;
    if survey.segments.is_empty() {
        return Ok(());
    }
    let segments = survey.segments.iter();
    let segments: Vec<_> = segments
        .map(|found| Segment::of(found, short_time))
        .collect();
    output::text("\nSegments:")?;
    output::rows(Output::Table, &segments)
}

/// How long ago that was, to seconds.
fn age(since_1970: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let seconds = now.saturating_sub(timestamp(since_1970).seconds).max(0);
    span(&prost_types::Duration { seconds, nanos: 0 })
}
