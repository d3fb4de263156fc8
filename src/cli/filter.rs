//! Which instances a command is about.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{config, proto::InstanceFilter};

/// Only instances for which all of these hold.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which instances")]
pub struct Filter {
    /// Of this user
    #[arg(long)]
    pub user: Option<String>,
    /// Of this app
    #[arg(long)]
    pub app: Option<String>,
    /// Of this version of the app
    #[arg(long, value_name = "VERSION")]
    pub app_version: Option<String>,
    /// Of this flow
    #[arg(long)]
    pub flow: Option<String>,
    /// On this host
    #[arg(long)]
    pub host: Option<String>,
    /// With one of these statuses: Created, Started, Completed, Failed, Cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    pub status: Vec<String>,
    /// Started then or later: 2h is two hours ago, or 2026-01-05T10:00:00Z, or 2026-01-05 (UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Started before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Reruns of this instance
    #[arg(long, value_name = "ID")]
    pub rerun_of: Option<String>,
    /// Ran at least so long, like 500ms or 2m
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    pub min_duration: Option<Duration>,
    /// Ran at most so long
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    pub max_duration: Option<Duration>,
}

impl From<&Filter> for InstanceFilter {
    fn from(filter: &Filter) -> Self {
        Self {
            user: filter.user.clone(),
            app: filter.app.clone(),
            app_version: filter.app_version.clone(),
            flow_name: filter.flow.clone(),
            host: filter.host.clone(),
            statuses: filter.status.clone(),
            started_from: filter.since.map(timestamp),
            started_before: filter.until.map(timestamp),
            original_instance_id: filter.rerun_of.clone(),
            min_execution_time: filter.min_duration.and_then(|time| time.try_into().ok()),
            max_execution_time: filter.max_duration.and_then(|time| time.try_into().ok()),
        }
    }
}

/// A status with the capital letter that engines write.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a value parser")]
fn status(text: &str) -> Result<String, String> {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    Ok(first.chain(letters.flat_map(char::to_lowercase)).collect())
}

/// A moment: so long ago, or a time with its zone, or a day.
fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = || {
        let ago = text.parse::<SignedDuration>().ok()?;
        (!ago.is_negative()).then_some(())?;
        Timestamp::now().checked_sub(ago).ok()
    };
    let day = || {
        // The parser would take a day and a time without a zone, and drop the time.
        (text.len() == 10).then_some(())?;
        let day = text.parse::<civil::Date>().ok()?;
        let start = day.to_zoned(TimeZone::UTC).ok()?;
        Some(start.timestamp())
    };
    let time = || text.parse().ok();
    time().or_else(ago).or_else(day).ok_or_else(|| {
        format!("`{text}` is no time; write it like 2h, 2026-01-05T10:00:00Z or 2026-01-05")
    })
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
    .normalized()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_times_or_days() {
        let seconds = |text| moment(text).map(Timestamp::as_second).ok();
        assert_eq!(seconds("2026-01-05T10:00:00Z"), Some(1_767_607_200));
        assert_eq!(seconds("2026-01-05T11:00:00+01:00"), Some(1_767_607_200));
        assert_eq!(seconds("2026-01-05"), Some(1_767_571_200));
        let ago = Timestamp::now().as_second() - seconds("2h").expect("a span");
        assert!((7_199..=7_201).contains(&ago), "{ago}");
        for wrong in ["", "yesterday", "-2h", "2026-13-01", "2026-01-05T10:00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_status_is_written_as_engines_write_it() {
        assert_eq!(status("failed").as_deref(), Ok("Failed"));
        assert_eq!(status("COMPLETED").as_deref(), Ok("Completed"));
    }
}
