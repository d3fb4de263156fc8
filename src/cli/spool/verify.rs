//! `flowtrail spool verify`: whether everything can be read.

use anyhow::bail;
use serde::Serialize;

use super::{Place, count};
use crate::{
    cli::output::{self, Output},
    ingest::spool::{self, Survey},
};

const EXAMPLES: &str = "\
Examples:
  After a disk or a machine failed, before the service is started again
    flowtrail spool verify --data-dir /var/lib/flowtrail
  For a script: files in which something is damaged
    flowtrail spool verify --output json | jq -r '.[].file'

Exit status: 0 when everything is whole, 1 when something is damaged or cannot be read.";

/// Read every record and check its sum
///
/// Lists what is damaged, by file and position, and changes nothing. `flowtrail serve` passes over
/// it, writes everything else to the database and keeps the file in DATA_DIR/spool/quarantined. A
/// write that was interrupted at the end of the last segment is no damage: nobody was told that it
/// was kept, and the next start cuts it.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "table")]
    output: Output,
}

/// Something that is not as it was written.
#[derive(Serialize)]
struct Damage {
    file: String,
    offset: u64,
    bytes: u64,
    first_sequence: Option<u64>,
    /// Records that are lost with it, as far as that can be told.
    records: u64,
}

/// Reads the spool and says what is wrong with it.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let survey = args.place.survey().await?;
    let mut damage = segments(&survey);
    let dir = args.place.dir()?;
    for row in &survey.rejected {
        let file = dir.join("rejected").join(format!("{}.row", row.name));
        // one that was retried meanwhile is gone
        if file.exists() && spool::rejected_row(&dir, &row.name)?.is_none() {
            damage.push(Damage {
                bytes: file.metadata().map_or(0, |found| found.len()),
                file: file.display().to_string(),
                offset: 0,
                first_sequence: None,
                records: 1,
            });
        }
    }
    output::rows(args.output, &damage)?;
    notes(&survey);
    let newer = survey.segments.iter().find(|segment| segment.newer);
    if let Some(first) = damage.first() {
        let more = match damage.len() - 1 {
            0 => String::new(),
            more => format!(", and so are {}", count(more as u64, "other place")),
        };
        bail!(
            "{} is damaged at byte {}{more}; flowtrail serve and flowtrail spool drain pass over it and \
             keep the file in quarantined/",
            first.file,
            first.offset
        );
    }
    if let Some(newer) = newer {
        bail!(
            "{} was written by a newer flowtrail; verify it with that one",
            newer.file.display()
        );
    }
    Ok(())
}

fn segments(survey: &Survey) -> Vec<Damage> {
    let mut all = Vec::new();
    for segment in &survey.segments {
        all.extend(segment.damage.iter().map(|damage| Damage {
            file: segment.file.display().to_string(),
            offset: damage.bytes.start,
            bytes: damage.bytes.end - damage.bytes.start,
            first_sequence: Some(damage.sequences.start),
            records: damage.sequences.end - damage.sequences.start,
        }));
    }
    all
}

/// What is to be known besides.
fn notes(survey: &Survey) {
    let segments = || survey.segments.iter();
    let records = segments().map(|segment| segment.records).sum();
    let events = segments().map(|segment| segment.events).sum();
    anstream::eprintln!(
        "{} ({}) in {} can be read, and {}",
        count(records, "record"),
        count(events, "event"),
        count(survey.segments.len() as u64, "segment"),
        count(survey.rejected.len() as u64, "rejected row"),
    );
    for segment in segments().filter(|segment| segment.torn > 0) {
        let why = if survey.in_use {
            "a write under way"
        } else {
            "an interrupted write, which the next start cuts"
        };
        anstream::eprintln!(
            "{} ends in {why}: {} from byte {} on",
            segment.file.display(),
            count(segment.torn, "byte"),
            segment.end
        );
    }
    if !survey.quarantined.is_empty() {
        anstream::eprintln!(
            "{} in quarantined/ for damage that was found before",
            count(survey.quarantined.len() as u64, "file"),
        );
    }
}
