//! One instance: routes 3 and 4.

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{
    ask::{Named, Seen, User},
    list::FlowInfo,
    refused,
};
use crate::{
    query::{Error, History, Payload},
    rest,
};

/// What stands in an answer until its payload takes the place.
const PAYLOAD: &str = "\"flowInputs\":null";

/// Route 3.
pub(super) async fn details(
    State(history): State<History>,
    User(user): User,
    Named {
        id,
        attempt,
        params,
        ..
    }: Named,
) -> Response {
    if let Err(error) = history.complete() {
        return refused(&error);
    }
    let instance = match history.instance(&id, attempt).await {
        Ok(instance) => instance,
        Err(error) => return refused(&error),
    };
    let asked = |name, found: &str| params.first(name).is_none_or(|asked| asked == found);
    if instance.user != user
        || !asked("app", &instance.app)
        || !asked("version", &instance.version)
        || !asked("host", &instance.host)
    {
        return refused(&Error::no_instance(&id));
    }
    let inputs = match history.payload(&id, attempt, Payload::Input).await {
        Ok(inputs) => inputs.filter(|bytes| is_object(bytes)),
        Err(error) => return refused(&error),
    };
    let info = FlowInfo {
        id: &instance.id,
        flow_uri: Some(format!("res://flow:{}", instance.flow)),
        flow_name: &instance.flow,
        flow_status: &instance.status,
        rerun_count: instance.rerun_count,
        original: &instance.original,
        ..FlowInfo::default()
    };
    match (rest::json_text(&info), inputs) {
        (Ok(text), Some(inputs)) => around(&text, inputs),
        (Ok(text), None) => rest::raw_json(StatusCode::OK, text),
        (Err(response), _) => *response,
    }
}

/// The payload goes out as it is stored, without a copy of it.
fn around(text: &str, inputs: Bytes) -> Response {
    let (before, after) = text.split_once(PAYLOAD).unwrap_or((text, ""));
    let before = format!("{before}\"flowInputs\":");
    let pieces = [before.into(), inputs, Bytes::from(after.to_owned())];
    let pieces = pieces.map(Ok::<_, std::convert::Infallible>);
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    rest::raw_json(StatusCode::OK, body)
}

/// Whether these bytes are one JSON object, which is what may stand inside an answer.
pub(super) fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
        && std::str::from_utf8(bytes)
            .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Route 4: the number that the engine has for the stored word (contract 2.6).
pub(super) async fn status(
    State(history): State<History>,
    Seen(Named { id, attempt, .. }): Seen,
) -> Response {
    match history.instance(&id, attempt).await {
        Ok(instance) => {
            let number = match instance.status.as_str() {
                "Started" => "100",
                "Completed" => "500",
                "Cancelled" => "600",
                "Failed" => "700",
                _ => "0",
            };
            rest::json(StatusCode::OK, &json!({ "status": number }))
        }
        Err(error) => refused(&error),
    }
}
