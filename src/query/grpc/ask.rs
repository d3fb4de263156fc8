//! What a request asks for, checked.

use std::time::Duration;

use crate::{
    event::Micros,
    proto,
    query::{Attempt, Error, Filter, instances::MAX_PAGE},
};

/// The filter of a request.
pub(super) fn filter(asked: Option<proto::InstanceFilter>) -> Result<Filter, Error> {
    let Some(asked) = asked else {
        return Ok(Filter::default());
    };
    let filter = Filter {
        user: asked.user,
        app: asked.app,
        version: asked.app_version,
        flow: asked.flow_name,
        host: asked.host,
        statuses: asked.statuses,
        from: time("started_from", asked.started_from)?,
        before: time("started_before", asked.started_before)?,
        original: asked.original_instance_id,
        at_least: duration("min_execution_time", asked.min_execution_time)?,
        at_most: duration("max_execution_time", asked.max_execution_time)?,
        ..Filter::default()
    };
    filter.check()?;
    Ok(filter)
}

/// Entries of a page; `default` when 0.
pub(super) fn page_size(asked: u32, default: u32) -> Result<u32, Error> {
    match asked {
        0 => Ok(default),
        1..=MAX_PAGE => Ok(asked),
        _ => Err(Error::invalid(
            "page_size",
            format!("is {asked}; send 1 to {MAX_PAGE}, or 0 for {default}"),
        )),
    }
}

/// 0 is the newest.
pub(super) fn attempt(number: u32) -> Attempt {
    match number {
        0 => Attempt::Newest,
        number => Attempt::Number(number),
    }
}

fn time(
    field: &'static str,
    asked: Option<prost_types::Timestamp>,
) -> Result<Option<Micros>, Error> {
    let Some(time) = asked else { return Ok(None) };
    let read = Micros::from_unix(field, time.seconds, time.nanos.into());
    read.map(Some).map_err(|invalid| {
        // its sentence begins with the field
        let problem = invalid.sentence;
        let problem = problem.strip_prefix(field).unwrap_or(&problem);
        Error::invalid(field, problem.trim_start())
    })
}

fn duration(
    field: &'static str,
    asked: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Error> {
    let Some(asked) = asked else { return Ok(None) };
    let nanos = u32::try_from(asked.nanos).ok();
    match (u64::try_from(asked.seconds), nanos) {
        (Ok(seconds), Some(nanos @ 0..1_000_000_000)) => Ok(Some(Duration::new(seconds, nanos))),
        _ => Err(Error::invalid(
            field,
            "is below zero, or its nanos are not 0 to 999999999; send a time span",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_checked() {
        assert_eq!(page_size(0, 50).ok(), Some(50));
        assert_eq!(page_size(1_000, 50).ok(), Some(1_000));
        assert!(page_size(1_001, 50).is_err());
        let span = |seconds, nanos| {
            let asked = prost_types::Duration { seconds, nanos };
            duration("max_execution_time", Some(asked)).ok().flatten()
        };
        assert_eq!(span(1, 500_000_000), Some(Duration::from_millis(1_500)));
        assert_eq!(
            (span(-1, 0), span(0, -1), span(0, 1_000_000_000)),
            (None, None, None)
        );
        let at = |seconds, nanos| {
            let asked = prost_types::Timestamp { seconds, nanos };
            time("started_from", Some(asked)).map_err(|error| error.to_string())
        };
        assert!(at(0, 0).is_ok());
        let message = at(0, -1).expect_err("nanos");
        assert!(
            message.starts_with("started_from has -1 nanos"),
            "{message}"
        );
        assert!(at(i64::MAX, 0).is_err());
    }
}
