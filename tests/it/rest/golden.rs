//! Every request that was put to the engines' own service over the recorded traffic, and its answer:
//! the same here, but for the differences of `docs/flow-state.md`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Face, json};
use crate::support::connect;

const QUERIES: &str = include_str!("../../fixtures/golden-queries.jsonl");

#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    username: Option<String>,
    status: u16,
    content_type: Option<String>,
    response: String,
}

/// What is answered instead of what was recorded: tests of `differences` say why.
enum Expected {
    /// The same, arrays as sets where that service had no order: `steps_in_order`,
    /// `tasks_in_order`, `names_in_order`.
    Same,
    /// `missing_is_404`
    Missing,
    /// `status_is_told`
    Status(&'static str),
    /// `snapshot_what_lives`: only that of the tasks and links.
    State,
}

fn expected(recorded: &Recorded) -> Expected {
    let Recorded { path, status, .. } = recorded;
    match status {
        500 => Expected::Missing,
        404 if path.ends_with("/status") && path.contains("/c00c") => Expected::Status("700"),
        404 if path.ends_with("/status") => Expected::Status("500"),
        200 if path.contains("/snapshot") => Expected::State,
        _ => Expected::Same,
    }
}

/// Arrays that have no order there: steps, their tasks, links, names.
fn as_sets(value: &mut Value) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(as_sets);
            elements.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(as_sets),
        _ => {}
    }
}

/// What is live, of what is shown as ever having been.
fn is_part(part: &Value, whole: &Value, path: &str) {
    for element in part.as_array().unwrap_or(&Vec::new()) {
        let mut known = whole.as_array().into_iter().flatten();
        assert!(
            known.any(|other| other["id"] == element["id"]),
            "{path}: {element} was not there"
        );
    }
}

fn check_state(path: &str, mut found: Value, mut recorded: Value) {
    for key in ["tasks", "links"] {
        is_part(&found[key], &recorded[key], path);
        for value in [&mut found, &mut recorded] {
            value.as_object_mut().expect("an object").remove(key);
        }
    }
    assert_eq!(found, recorded, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_answers_are_given_again() {
    let mut face = Face::recorded().await;
    // its hour is over
    let client = connect(&face.database.url).await;
    let since = "select extract(epoch from now() at time zone 'UTC' - min(starttime))::bigint + 3600 from public.flowstate";
    let since: i64 = client.query_one(since, &[]).await.unwrap().get(0);
    let interval = format!("interval={since}%20seconds");
    let mut checked = 0;
    for line in QUERIES.lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let path = recorded.path.replace("interval=1%20hour", &interval);
        assert_eq!(recorded.method, "GET");
        let user = recorded.username.as_deref();
        let (status, headers, body) = face.get_as(user, &path).await;
        match expected(&recorded) {
            Expected::Missing => {
                assert_eq!(status, 404, "{path}: {body}");
                assert_eq!(json(&body)["code"], 404, "{path}");
            }
            Expected::Status(number) => {
                assert_eq!((status, json(&body)), (200, json!({ "status": number })));
            }
            Expected::State => {
                assert_eq!(status, 200, "{path}: {body}");
                check_state(&path, json(&body), json(&recorded.response));
            }
            Expected::Same => {
                assert_eq!(status, recorded.status, "{path}: {body}");
                let kind = headers
                    .get("content-type")
                    .map(|kind| kind.to_str().unwrap());
                assert_eq!(kind, recorded.content_type.as_deref(), "{path}");
                check_body(&path, &body, &recorded.response);
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 114);
    face.end().await;
}

fn check_body(path: &str, body: &str, recorded: &str) {
    let Ok(mut expected) = serde_json::from_str::<Value>(recorded) else {
        assert_eq!(body, recorded, "{path}");
        return;
    };
    let mut found = json(body);
    assert_eq!(body.ends_with('\n'), recorded.ends_with('\n'), "{path}");
    let ordered = path.starts_with("/v1/instances?") || path.ends_with("/steps/status");
    if !ordered {
        as_sets(&mut expected);
        as_sets(&mut found);
    }
    assert_eq!(found, expected, "{path}");
    // no order and no number is in the way of comparing bytes
    if ordered {
        assert_eq!(body, recorded, "{path}");
    }
}
