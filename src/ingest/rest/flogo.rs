//! Flogo's bodies as events: checked texts under Flogo's names, times in PostgreSQL's range.
//!
//! What was not sent is stored as Go's zero value, an empty text or the year 1, with two
//! exceptions: inputs that are null are `{}`, and an end without a start time belongs to the newest
//! attempt (contract, sections 1.3 and 1.4).

use crate::{
    event::{
        FlowEnd, FlowStart, Invalid, Micros, Step,
        flogo::{self, FlowState, Time},
        indexed_text, text,
    },
    ingest::row::Source,
};

/// Who reports a start or an end.
pub(super) fn source(state: &FlowState<'_>) -> Result<Source, Invalid> {
    let text = |field, text: &str| indexed_text(field, text.as_bytes()).map(str::to_owned);
    Ok(Source {
        user: text("user_id", &state.user)?,
        app: text("app_name", &state.app)?,
        version: text("app_version", &state.version)?,
        host: text("host_id", &state.host)?,
    })
}

/// A start.
pub(super) fn started<'a>(state: &'a FlowState<'_>) -> Result<FlowStart<'a>, Invalid> {
    Ok(FlowStart {
        instance: instance("flow_instance_id", &state.instance_id)?,
        started_at: time("start_time", state.start_time)?,
        ended_at: Some(time("end_time", state.end_time)?),
        flow: Some(indexed("flow_name", &state.flow_name)?),
        status: Some(indexed("flow_stats", &state.status)?),
        original: Some(indexed(
            "original_instance_id",
            &state.original_instance_id,
        )?),
        parent: None,
        parent_flow: None,
        input: Some(state.flow_input().as_bytes()),
        misc: None,
    })
}

/// An end.
pub(super) fn ended<'a>(state: &'a FlowState<'_>) -> Result<FlowEnd<'a>, Invalid> {
    let started_at = Some(state.start_time).filter(|time| !time.is_zero());
    Ok(FlowEnd {
        instance: instance("flow_instance_id", &state.instance_id)?,
        started_at: started_at.map(|at| time("start_time", at)).transpose()?,
        ended_at: time("end_time", state.end_time)?,
        status: Some(indexed("flow_stats", &state.status)?),
        flow: Some(indexed("flow_name", &state.flow_name)?),
        output: state.outputs.map(str::as_bytes),
    })
}

/// A step with the body it came in.
pub(super) fn recorded<'a>(step: &'a flogo::Step<'_>, body: &'a [u8]) -> Result<Step<'a>, Invalid> {
    let text = |field, value: &'a str| text(field, value.as_bytes()).map(Some);
    Ok(Step {
        instance: instance("flowId", &step.instance_id)?,
        number: u32::try_from(step.step_id).unwrap_or_default(),
        started_at: time("starttime", step.start_time)?,
        ended_at: Some(time("endtime", step.end_time)?),
        task: text("flowChanges: the id of a task", &step.task_name)?,
        status: Some(step.status),
        flow: text("flowChanges: flowURI", &step.flow_name)?,
        subflow: Some(&step.subflow_id),
        rerun: Some(step.rerun),
        parent: None,
        content: Some(body),
        misc: None,
    })
}

fn instance<'a>(field: &'static str, id: &'a str) -> Result<&'a str, Invalid> {
    if id.is_empty() {
        return Err(Invalid::missing(field));
    }
    indexed(field, id)
}

fn indexed<'a>(field: &'static str, value: &'a str) -> Result<&'a str, Invalid> {
    indexed_text(field, value.as_bytes())
}

fn time(field: &'static str, time: Time) -> Result<Micros, Invalid> {
    Micros::from_unix(field, time.seconds, time.nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = r#""flow_instance_id":"i""#;

    fn state(body: &str) -> FlowState<'_> {
        FlowState::parse(body).expect(body)
    }

    fn start(body: &str) -> Result<(), Invalid> {
        let state = state(body);
        source(&state)?;
        started(&state).map(drop)
    }

    fn step(body: &str) -> Result<(), Invalid> {
        recorded(&flogo::Step::parse(body).expect("a step"), body.as_bytes()).map(drop)
    }

    #[test]
    fn what_was_not_sent_is_empty_and_of_the_year_1() {
        let body = format!("{{{ID}}}");
        let state = state(&body);
        let start = started(&state).expect("a start");
        assert_eq!((start.flow, start.original), (Some(""), Some("")));
        assert_eq!(start.started_at.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(start.input, Some(&b"{}"[..]));
        let end = ended(&state).expect("an end");
        assert_eq!((end.started_at, end.output), (None, None));
        assert_eq!(end.ended_at.to_string(), "0001-01-01T00:00:00Z");
        assert!(step(r#"{"flowId":"i"}"#).is_ok());
    }

    #[test]
    fn what_cannot_be_stored_is_named_as_flogo_names_it() {
        let check = |outcome: Result<(), Invalid>, field: &str| {
            let sentence = outcome.expect_err(field).sentence;
            assert!(sentence.starts_with(field), "{sentence}");
        };
        check(start("{}"), "flow_instance_id");
        let long = "x".repeat(513);
        check(
            start(&format!(r#"{{"flow_instance_id":"{long}"}}"#)),
            "flow_instance_id",
        );
        for field in [
            "user_id",
            "app_name",
            "app_version",
            "host_id",
            "flow_name",
            "flow_stats",
            "original_instance_id",
        ] {
            check(start(&format!(r#"{{{ID},"{field}":"a\u0000"}}"#)), field);
            check(start(&format!(r#"{{{ID},"{field}":"{long}"}}"#)), field);
        }
        check(step("{}"), "flowId");
        check(step(r#"{"flowId":"a\u0000"}"#), "flowId");
        let task = r#"{"flowId":"i","flowChanges":{"0":{"taskId":"a\u0000"}}}"#;
        check(step(task), "flowChanges: the id of a task");
        let flow = r#"{"flowId":"i","flowChanges":{"0":{"flowURI":"a\u0000"}}}"#;
        check(step(flow), "flowChanges: flowURI");
    }
}
