//! What was found, as messages.

use prost::Message;

use crate::{
    event::Micros,
    proto,
    query::{AttemptInfo, CatalogueApp, Detail, Instance, Step},
};

/// Bytes of the entries of a response, at most, unless the first alone has more: clients take 4 MiB
/// by default, and other fields stand beside the entries.
const MOST_BYTES: usize = 2 << 20;

/// Entries up to what one response may hold; the first in any case.
pub(super) trait Bounded: Iterator + Sized {
    fn bounded(self) -> impl Iterator<Item = Self::Item>
    where
        Self::Item: Message,
    {
        let mut bytes = 0;
        self.take_while(move |entry| {
            let first = bytes == 0;
            bytes += entry.encoded_len() + 8;
            first || bytes <= MOST_BYTES
        })
    }
}

impl<I: Iterator> Bounded for I {}

pub(super) fn instance(of: Instance) -> proto::Instance {
    proto::Instance {
        instance_id: of.id,
        user: of.user,
        app: of.app,
        app_version: of.version,
        flow_name: of.flow,
        host: of.host,
        status: of.status,
        start_time: of.started_at.map(time),
        end_time: of.ended_at.map(time),
        execution_time: of.execution_time.as_deref().and_then(span),
        original_instance_id: of.original,
        rerun_count: of.rerun_count,
        parent_instance_id: of.parent,
        parent_flow_name: of.parent_flow,
    }
}

pub(super) fn detail(of: Detail) -> proto::GetInstanceResponse {
    let steps = of.gaps.into_iter();
    proto::GetInstanceResponse {
        instance: Some(instance(of.instance)),
        attempt: of.attempt,
        attempts: of.attempts,
        steps: of.steps,
        input_bytes: of.input_bytes,
        output_bytes: of.output_bytes,
        missing: Some(proto::Missing {
            start: of.start_missing,
            steps: steps
                .map(|(from, to)| proto::StepRange { from, to })
                .collect(),
            last_steps: of.last_steps_missing,
        }),
    }
}

pub(super) fn step(of: Step) -> proto::Step {
    proto::Step {
        step_id: of.id,
        task_name: of.task,
        status: of.status,
        flow_name: of.flow,
        subflow_id: of.subflow,
        start_time: of.started_at.map(time),
        end_time: of.ended_at.map(time),
        rerun: of.rerun.unwrap_or_default(),
        bytes: of.bytes,
    }
}

pub(super) fn attempt(of: AttemptInfo) -> proto::Attempt {
    proto::Attempt {
        number: of.number,
        instance: Some(instance(of.instance)),
        own_steps: of.own_steps,
        first_own_step: of.first_own_step,
    }
}

pub(super) fn catalogue(apps: Vec<CatalogueApp>) -> proto::GetCatalogueResponse {
    let mut room = MOST_BYTES;
    let mut take = |name: &str| {
        let left = room.checked_sub(name.len() + 16);
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut response = proto::GetCatalogueResponse::default();
    for app in apps {
        if !take(&app.user) || !take(&app.app) {
            break;
        }
        let mut versions = Vec::new();
        for version in app.versions {
            if !take(&version.version) {
                break;
            }
            let flows = version.flows.into_iter();
            versions.push(proto::CatalogueVersion {
                app_version: version.version,
                flow_names: flows.take_while(|flow| take(flow)).collect(),
            });
        }
        response.apps.push(proto::CatalogueApp {
            user: app.user,
            app: app.app,
            versions,
        });
    }
    response
}

fn time(of: Micros) -> prost_types::Timestamp {
    let (seconds, nanos) = of.unix();
    prost_types::Timestamp { seconds, nanos }
}

/// `executiontime`, milliseconds with decimals, as a time span; none when it is something else.
fn span(milliseconds: &str) -> Option<prost_types::Duration> {
    let (sign, digits) = match milliseconds.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, milliseconds),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let nanos: i64 = format!("{fraction:0<6}").parse().ok()?;
    let nanos = whole % 1_000 * 1_000_000 + nanos;
    Some(prost_types::Duration {
        seconds: sign * (whole / 1_000),
        nanos: i32::try_from(sign * nanos).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_time_becomes_a_span() {
        let check = |text, expected: Option<(i64, i32)>| {
            let found = span(text).map(|span| (span.seconds, span.nanos));
            assert_eq!(found, expected, "{text}");
        };
        check("41.335", Some((0, 41_335_000)));
        check("1500.000", Some((1, 500_000_000)));
        check("-0.500", Some((0, -500_000)));
        check("-2500.25", Some((-2, -500_250_000)));
        check("7", Some((0, 7_000_000)));
        for other in [
            "",
            "x",
            "1.",
            ".5",
            "1e3",
            "+1",
            "--1",
            "1.0000001",
            "99999999999999999999",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn a_response_is_bounded_in_bytes() {
        let step = |bytes| proto::Step {
            task_name: "x".repeat(bytes),
            ..proto::Step::default()
        };
        let count = |steps: Vec<proto::Step>| steps.into_iter().bounded().count();
        assert_eq!(count(vec![step(900 << 10); 5]), 2);
        assert_eq!(count(vec![step(5 << 20); 2]), 1);
        assert_eq!(count(vec![step(10); 1_000]), 1_000);

        let app = |number| CatalogueApp {
            user: "u".into(),
            app: format!("{number}{}", "x".repeat(900 << 10)),
            ..CatalogueApp::default()
        };
        let response = catalogue((0..5).map(app).collect());
        assert_eq!(response.apps.len(), 2);
        assert!(response.encoded_len() < 4 << 20);
    }
}
