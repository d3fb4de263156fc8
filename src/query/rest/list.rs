//! Lists: routes 2, 12 and 13.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::StatusCode;
use serde::Serialize;

use super::{
    ask::{Params, User},
    refused,
};
use crate::{
    query::{Error, Filter, History, Instance, filter::STATUSES, instances::MAX_PAGE},
    rest,
};

/// Bytes of a text to compare with, at most.
const MAX_TEXT: usize = 512;

/// `FlowInfo` of contract 1.3.
#[derive(Default, Serialize)]
pub(super) struct FlowInfo<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "flowURI", skip_serializing_if = "Option::is_none")]
    pub(super) flow_uri: Option<String>,
    #[serde(rename = "flowName", skip_serializing_if = "str::is_empty")]
    pub(super) flow_name: &'a str,
    #[serde(rename = "hostid", skip_serializing_if = "str::is_empty")]
    pub(super) host: &'a str,
    #[serde(rename = "flowStatus", skip_serializing_if = "str::is_empty")]
    pub(super) flow_status: &'a str,
    #[serde(rename = "flowInputs")]
    pub(super) flow_inputs: Option<Present>,
    #[serde(rename = "starttime", skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<String>,
    #[serde(rename = "endtime", skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<String>,
    #[serde(rename = "executiontime", skip_serializing_if = "Option::is_none")]
    pub(super) execution_time: Option<&'a str>,
    #[serde(rename = "rerunCount")]
    pub(super) rerun_count: i32,
    #[serde(rename = "originalInstanceId")]
    pub(super) original: &'a str,
}

/// `{}`: there are inputs.
#[derive(Serialize)]
pub(super) struct Present {}

#[derive(Serialize)]
struct FlowRecord<'a> {
    #[serde(rename = "Count")]
    count: i64,
    /// `null` when there is none.
    #[serde(rename = "FlowData")]
    flows: Option<Vec<FlowInfo<'a>>>,
}

/// Route 2.
pub(super) async fn instances(
    State(history): State<History>,
    User(user): User,
    params: Params,
) -> Response {
    let (filter, offset, limit) = match question(user, &params) {
        Ok(question) => question,
        Err(sentence) => return wrong(&sentence),
    };
    match history.instances_at(&filter, offset, limit).await {
        Ok((instances, count)) => {
            let flows: Vec<_> = instances.iter().map(info).collect();
            let record = FlowRecord {
                // counted over the rows of the page, so none on a page behind the last
                count: if flows.is_empty() { 0 } else { count },
                flows: (!flows.is_empty()).then_some(flows),
            };
            rest::json(StatusCode::OK, &record)
        }
        Err(error) => failed(&error),
    }
}

fn info(instance: &Instance) -> FlowInfo<'_> {
    FlowInfo {
        id: &instance.id,
        flow_name: &instance.flow,
        host: &instance.host,
        flow_status: &instance.status,
        flow_inputs: instance.has_input.then_some(Present {}),
        started_at: instance.started_at.map(|time| time.to_string()),
        ended_at: instance.ended_at.map(|time| time.to_string()),
        execution_time: instance.execution_time.as_deref(),
        rerun_count: instance.rerun_count,
        original: &instance.original,
        ..FlowInfo::default()
    }
}

/// The filter, offset and limit that a list asks for; or what is wrong with it.
fn question(user: String, params: &Params) -> Result<(Filter, u32, u32), String> {
    let (app, version) = app_and_version(params)?;
    let text = |name| text(params, name);
    let status = text("status")?;
    if let Some(word) = &status
        && !STATUSES.contains(&word.as_str())
    {
        let words = STATUSES.join(", ");
        return Err(format!("status is `{word}`; send one of {words}"));
    }
    // A single end of the range says nothing.
    let range = text("startTime")?.zip(text("endTime")?);
    let (from_text, through_text) = range.unzip();
    let filter = Filter {
        user: Some(user),
        app: Some(app),
        version: Some(version),
        flow: text("flow")?,
        host: text("host")?,
        statuses: status.into_iter().collect(),
        related_to: text("flowinstanceid")?,
        interval: text("interval")?,
        from_text,
        through_text,
        ..Filter::default()
    };
    let offset = number(params, "offset", 0, u32::MAX >> 1)?.unwrap_or(0);
    let limit = number(params, "limit", 1, MAX_PAGE)?.unwrap_or(MAX_PAGE);
    Ok((filter, offset, limit))
}

fn app_and_version(params: &Params) -> Result<(String, String), String> {
    let app = text(params, "app")?.ok_or("Please provide app name")?;
    let version = text(params, "version")?.ok_or("Please provide app version")?;
    Ok((app, version))
}

/// A parameter to compare with.
fn text(params: &Params, name: &str) -> Result<Option<String>, String> {
    let Some(text) = params.first(name) else {
        return Ok(None);
    };
    check(name, text)?;
    Ok(Some(text.to_owned()))
}

fn check(name: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT {
        let length = text.len();
        return Err(format!(
            "{name} has {length} bytes; send at most {MAX_TEXT}"
        ));
    }
    if text.contains('\0') {
        return Err(format!("{name} holds a NUL character; remove it"));
    }
    Ok(())
}

fn number(params: &Params, name: &str, least: u32, most: u32) -> Result<Option<u32>, String> {
    let Some(text) = params.first(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(format!("{name} is `{text}`; send {least} to {most}")),
    }
}

/// Route 12.
pub(super) async fn flows(
    State(history): State<History>,
    User(user): User,
    params: Params,
) -> Response {
    let question = app_and_version(&params).and_then(|(app, version)| {
        let host = text(&params, "host")?;
        Ok((app, version, host))
    });
    match question {
        Ok((app, version, host)) => {
            let flows = history.flows(&user, &app, &version, host.as_deref());
            names(flows.await)
        }
        Err(sentence) => wrong(&sentence),
    }
}

/// Route 13.
pub(super) async fn versions(
    State(history): State<History>,
    User(user): User,
    app: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(app)) = app else {
        return wrong("the app's name is not UTF-8; encode it as UTF-8");
    };
    if let Err(sentence) = check("the app's name", &app) {
        return wrong(&sentence);
    }
    names(history.versions(&user, &app).await)
}

/// Names as a JSON array; an empty one has no line end.
fn names(found: Result<Vec<String>, Error>) -> Response {
    match found {
        Ok(names) if names.is_empty() => rest::raw_json(StatusCode::OK, "[]"),
        Ok(names) => rest::json(StatusCode::OK, &names),
        Err(error) => failed(&error),
    }
}

/// A wrong request in style T.
fn wrong(sentence: &str) -> Response {
    rest::text_error(StatusCode::BAD_REQUEST, sentence)
}

/// What the database finds wrong with a question is told as [`wrong`] does.
fn failed(error: &Error) -> Response {
    match error {
        Error::Invalid { .. } => wrong(&error.to_string()),
        error => refused(error),
    }
}
