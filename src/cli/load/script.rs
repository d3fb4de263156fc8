//! The recorded flows, taken apart: what stays the same in every instance, and the places where an
//! id, a number or a time stands.

use anyhow::Context as _;
use bytes::Bytes;
use serde::Deserialize;

use crate::event::flogo::{FlowState, Step};

use super::body::{Body, Slot};

const TRAFFIC: &str = include_str!("../../../demo/recorder-traffic.jsonl");

/// A recorded flow.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) flow: String,
    pub(super) start: Body,
    pub(super) input: Bytes,
    pub(super) steps: Vec<Recorded>,
    pub(super) end: Body,
    /// Status of the end.
    pub(super) ended: String,
    pub(super) output: Option<Bytes>,
}

/// A recorded step: the columns that do not change, and its body.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) task: String,
    pub(super) status: String,
    pub(super) flow: String,
    pub(super) subflow: String,
    pub(super) body: Body,
}

#[derive(Deserialize)]
struct Request {
    path: String,
    body: String,
}

/// The recorded flows, reported by `app` of `user`. Steps have the body they were recorded with, or one
/// of about `payload` bytes.
///
/// # Errors
/// When the traffic built in cannot be read.
pub(super) fn scripts(
    user: &str,
    app: &str,
    payload: Option<usize>,
) -> anyhow::Result<Vec<Script>> {
    let mut requests = Vec::new();
    for line in TRAFFIC.lines() {
        requests.push(serde_json::from_str::<Request>(line).context("recorded traffic")?);
    }
    let of = |path: &'static str| requests.iter().filter(move |request| request.path == path);
    let mut scripts = Vec::new();
    for request in of("/v1/instances/start") {
        let state = FlowState::parse(&request.body)?;
        let id = &state.instance_id;
        let mine = |request: &&Request| request.body.contains(id.as_str());
        let end = of("/v1/instances/end").find(mine).context("an end")?;
        let ending = FlowState::parse(&end.body)?;
        let steps = of("/v1/instances/steps").filter(mine).map(|request| {
            let step = Step::parse(&request.body)?;
            let body = match payload {
                None => Body::new(&request.body, &places(id, user, app)),
                Some(bytes) => Body::sized(&state.flow_name, &step.task_name, bytes),
            };
            anyhow::Ok(Recorded {
                task: step.task_name.into_owned(),
                status: step.status.to_owned(),
                flow: step.flow_name.into_owned(),
                subflow: step.subflow_id.into_owned(),
                body,
            })
        });
        scripts.push(Script {
            steps: steps.collect::<anyhow::Result<_>>()?,
            start: Body::new(&request.body, &places(id, user, app)),
            input: bytes(state.flow_input()),
            end: Body::new(&end.body, &places(id, user, app)),
            ended: ending.status,
            output: ending.outputs.map(bytes),
            flow: state.flow_name,
        });
    }
    Ok(scripts)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// What stands in the recorded bodies, and what takes its place.
fn places<'a>(id: &'a str, user: &'a str, app: &'a str) -> [(&'a str, Slot<'a>); 9] {
    [
        (id, Slot::Instance),
        ("{\"id\":", Slot::Number),
        ("\"starttime\":\"", Slot::StartedAt),
        ("\"endtime\":\"", Slot::EndedAt),
        ("\"start_time\":\"", Slot::StartedAt),
        ("\"end_time\":\"", Slot::EndedAt),
        ("\"original_instance_id\":\"", Slot::Original),
        ("\"user_id\":\"", Slot::Text(user)),
        ("\"app_name\":\"", Slot::Text(app)),
    ]
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use serde_json::Value;

    use super::*;
    use crate::cli::load::{
        body::{Items, Values},
        time::Moment,
    };

    const ID: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
    const ORIGINAL: &[u8; 32] = b"fedcba9876543210fedcba9876543210";
    const NUMBER: u32 = 7_777;

    /// Where two values differ, and what stands there in the second.
    fn differences(at: &str, one: &Value, other: &Value, found: &mut Vec<(String, Value)>) {
        match (one, other) {
            (Value::Object(ones), Value::Object(others)) => {
                assert!(ones.keys().eq(others.keys()), "{at}");
                for (key, value) in ones {
                    differences(&format!("{at}/{key}"), value, &others[key], found);
                }
            }
            (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
                for (value, other) in ones.iter().zip(others) {
                    differences(&format!("{at}/-"), value, other, found);
                }
            }
            _ if one == other => {}
            _ => found.push((at.to_owned(), other.clone())),
        }
    }

    #[test]
    fn a_flow_made_up_differs_from_the_recorded_one_in_its_places_alone() {
        let (user, app) = ("load \"generator\"", "load");
        let started_at = Moment::now();
        let ended_at = started_at.later(std::time::Duration::from_millis(2));
        let text = |moment: Moment| {
            let mut text = BytesMut::new();
            moment.write(&mut text);
            Value::from(String::from_utf8_lossy(&text))
        };
        let id = |id: &[u8; 32]| Value::from(String::from_utf8_lossy(id));
        let values = Values {
            instance: ID,
            original: Some(ORIGINAL),
            number: NUMBER,
            started_at,
            ended_at,
            chance: 0,
        };
        let (began, ended) = (text(started_at), text(ended_at));
        let new = [
            id(ID),
            id(ORIGINAL),
            NUMBER.into(),
            began,
            ended,
            user.into(),
            app.into(),
        ];
        let scripts = scripts(user, app, None).expect("the traffic can be read");
        assert_eq!(scripts.len(), 5);
        let requests: Vec<Request> = TRAFFIC
            .lines()
            .map(|line| serde_json::from_str(line).expect("a request"))
            .collect();
        let check = |path: &str, body: &Body, number: usize, places: &[&str]| {
            let mut of = requests.iter().filter(|request| request.path == path);
            let recorded = &of.nth(number).expect("it is recorded").body;
            let mut filled = BytesMut::new();
            body.fill(&values, &Items::new(1), &mut filled);
            let [one, other] = [recorded.as_bytes(), &filled[..]]
                .map(|json| serde_json::from_slice::<Value>(json).expect("JSON"));
            let mut found = Vec::new();
            differences("", &one, &other, &mut found);
            for place in places {
                assert!(
                    found.iter().any(|(at, _)| at == place),
                    "{place}: {filled:?}"
                );
            }
            for (at, value) in found {
                // a subflow's id is its flow's with a number behind it
                let subflow = at.ends_with("FlowId");
                let subflow = subflow.then(|| value.as_str()?.strip_suffix("-1").map(Value::from));
                let value = subflow.flatten().unwrap_or(value);
                assert!(new.contains(&value), "{at}: {value}");
            }
        };
        let mut step = 0;
        for (number, script) in scripts.iter().enumerate() {
            let flow = [
                "/user_id",
                "/app_name",
                "/flow_instance_id",
                "/start_time",
                "/end_time",
            ];
            check("/v1/instances/start", &script.start, number, &flow);
            check(
                "/v1/instances/start",
                &script.start,
                number,
                &["/original_instance_id"],
            );
            check("/v1/instances/end", &script.end, number, &flow);
            for recorded in &script.steps {
                let places = ["/id", "/flowId", "/starttime", "/endtime"];
                check("/v1/instances/steps", &recorded.body, step, &places);
                step += 1;
            }
        }
    }
}
