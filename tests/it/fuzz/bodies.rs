//! What engines post over REST, and files of it.

use std::collections::BTreeSet;

use flowtrail::{
    cli::{Usage, traffic::Traffic},
    event::flogo::{Content, FlowState, Step, check_snapshot, readable},
    ingest::wire,
    proto::Hello,
    query::{Snapshot, tasks},
};
use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::Value;

use super::{fuzz, sentence};
use crate::fixtures::TRAFFIC;

/// Pieces of bodies.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\u{2028}",
    "\"flowId\":\"i\"",
    "\"id\":1",
    "\"flowChanges\":{\"0\":",
    "\"tasks\":{\"a\":{\"change\":0,\"status\":40}}",
    "\"attrs\":{}",
    "\"queueChanges\":{\"1\":{}}",
    "\"starttime\":\"0001-01-01T00:00:00Z\"",
    "\"flow_inputs\":{}",
    "\"user_id\":\"u\"",
];

/// The bodies that an engine posted to some of the routes.
fn posted(routes: &[&str]) -> Vec<Vec<u8>> {
    let lines = TRAFFIC.lines();
    let requests = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = requests.filter(|request| {
        let path = request["path"].as_str().unwrap();
        routes.iter().any(|route| path.ends_with(route))
    });
    let bodies = of.map(|request| request["body"].as_str().unwrap().as_bytes().to_vec());
    // the shortest ones say as much as the others
    let mut bodies: Vec<_> = bodies.collect::<BTreeSet<_>>().into_iter().collect();
    bodies.sort_by_key(Vec::len);
    bodies.truncate(12);
    bodies
}

fn flow(bytes: &[u8]) -> Result<(), TestCaseError> {
    let body = readable(bytes);
    match FlowState::parse(&body) {
        Err(invalid) => sentence(&invalid.to_string())?,
        Ok(state) => {
            // a byte that is no character becomes three
            let payloads = [&state.inputs, &state.outputs];
            for payload in payloads.into_iter().flatten() {
                prop_assert!(payload.len() <= 3 * bytes.len());
                let object: Result<&serde_json::value::RawValue, _> = serde_json::from_str(payload);
                let is_object = object.is_ok_and(|raw| raw.get().starts_with('{'));
                prop_assert!(is_object);
            }
        }
    }
    if let Err(invalid) = check_snapshot(&body) {
        sentence(&invalid.to_string())?;
    }
    Ok(())
}

/// A step that is taken can be replayed and shown.
fn step(bytes: &[u8]) -> Result<(), TestCaseError> {
    let text = readable(bytes);
    let parsed = Step::parse(&text);
    let content = Content::parse(&text);
    prop_assert_eq!(parsed.is_ok(), content.is_ok());
    let content = match content {
        Ok(content) => content,
        Err(invalid) => return sentence(&invalid.to_string()),
    };
    match tasks::tasks(&content) {
        Ok(tasks) => {
            let shown = serde_json::to_string(&tasks).expect("tasks are JSON");
            prop_assert!(shown.len() <= 1_000 * (text.len() + 1));
        }
        Err(invalid) => sentence(&invalid.to_string())?,
    }
    let mut snapshot = Snapshot::new("i");
    // once more over itself, as after a resend under another number
    for _ in 0..2 {
        match snapshot.apply(&content) {
            Ok(()) => {
                let json = snapshot.to_json();
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok());
                prop_assert!(
                    json.len() <= 100 * (text.len() + 10),
                    "{} bytes",
                    json.len()
                );
            }
            Err(invalid) => sentence(&invalid.to_string())?,
        }
    }
    Ok(())
}

/// A file is taken as a whole, or the line is named.
fn traffic(bytes: &[u8]) -> Result<(), TestCaseError> {
    let hello = Hello {
        user: "u".into(),
        app: "a".into(),
        ..Hello::default()
    };
    for fallback in [None, Some(&hello)] {
        match Traffic::read("f", bytes, fallback) {
            Ok(traffic) => {
                let lines = bytes.split(|byte| *byte == b'\n').count();
                prop_assert!(traffic.events.len() + traffic.instances.len() <= 2 * lines);
                for event in &traffic.events {
                    prop_assert!(event.stream < traffic.streams.len());
                    // what the server would refuse it refuses by name
                    if let Err(invalid) = wire::event(&event.encoded) {
                        sentence(&invalid.sentence)?;
                    }
                }
            }
            Err(error) => {
                let said = error.to_string();
                sentence(&said)?;
                prop_assert!(said.starts_with("f:"), "{said}");
                let number = said.split(':').nth(1).map(str::parse::<usize>);
                prop_assert!(matches!(number, Some(Ok(1..))), "{said}");
                let unread = said.ends_with("cannot be read");
                prop_assert!(error.is::<Usage>() || unread, "{said}");
            }
        }
    }
    Ok(())
}

#[test]
fn any_body_of_a_start_an_end_or_a_snapshot_is_read_or_refused() {
    fuzz(
        "flow",
        posted(&["/start", "/end", "/snapshot"]),
        WORDS,
        flow,
    );
}

#[test]
fn any_body_of_a_step_is_read_replayed_or_refused() {
    fuzz("step", posted(&["/steps"]), WORDS, step);
}

#[test]
fn any_file_is_traffic_or_its_line_is_named() {
    let lines: Vec<_> = TRAFFIC.lines().collect();
    let some = [&lines[..2], &lines[lines.len() - 3..]];
    let seeds = some.map(|lines| lines.join("\n").into_bytes());
    fuzz("traffic", seeds.to_vec(), WORDS, traffic);
}
