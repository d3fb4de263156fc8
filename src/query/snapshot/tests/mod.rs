mod model;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn replay(steps: &[serde_json::Value]) -> Snapshot {
    let mut snapshot = Snapshot::new("i");
    for step in steps {
        let text = step.to_string();
        let content = Content::parse(&text).expect("a step");
        snapshot.apply(&content).expect("names");
    }
    snapshot
}

#[test]
fn the_json_form_has_its_order_and_leaves_out_what_is_empty() {
    assert_eq!(
        Snapshot::new("i").to_json(),
        r#"{"flowURI":"","status":0,"id":"i"}"#
    );
    let text = r#"{"id":0,"flowId":"i","flowChanges":{
        "0":{"newFlow":true,"flowURI":"res://flow:a","status":100,"attrs":{"b":1.0,"a":12345678901234567890,"_A.c":null},
          "tasks":{"z":{"change":1,"status":30},"m":{"change":1,"status":10}},"links":{"10":{"change":1,"status":2},"9":{"change":0}}},
        "1":{"newFlow":true,"flowURI":"res://flow:b","subflowId":1,"taskId":"t","status":100,
          "tasks":{"t":{"change":1,"status":20}}}},"queueChanges":{"12":{"taskId":"t"},"3":{"taskId":"m"}}}"#;
    let mut snapshot = Snapshot::new("i");
    let content = Content::parse(text).expect("a step");
    snapshot.apply(&content).expect("names");
    assert_eq!(
        snapshot.to_json(),
        r#"{"flowURI":"res://flow:a","status":100,"attrs":{"_A.c":null,"a":12345678901234567890,"b":1.0},"tasks":[{"id":"m","status":10},{"id":"z","status":30}],"links":[{"id":9,"linkId":9,"status":0},{"id":10,"linkId":10,"status":2}],"id":"i","workQueue":[{"id":3,"subflowId":0,"taskId":"m"},{"id":12,"subflowId":1,"taskId":"t"}],"subflows":[{"flowURI":"res://flow:b","status":100,"tasks":[{"id":"t","status":20}],"id":1,"subFlowId":1,"taskId":"z"}]}"#
    );
}

#[test]
fn a_task_left_to_the_error_handler_is_gone_and_one_that_fails_the_flow_stays() {
    let fails = |status: i64, tasks| {
        replay(&[
            json!({"id": 0, "flowChanges": {"0": {"newFlow": true, "status": 100,
                "tasks": {"boom": {"change": 1, "status": 20}, "other": {"change": 1, "status": 20}}}}}),
            json!({"id": 1, "flowChanges": {"0": {"status": status, "tasks": tasks}}}),
        ])
    };
    let names =
        |snapshot: &Snapshot| -> Vec<String> { snapshot.main().tasks().keys().cloned().collect() };
    let handled = fails(
        0,
        json!({"boom": {"change": 1, "status": 100}, "log": {"change": 1, "status": 20}}),
    );
    assert_eq!(names(&handled), ["log", "other"]);
    let failed = fails(700, json!({"boom": {"change": 1, "status": 100}}));
    assert_eq!(names(&failed), ["boom", "other"]);
    assert_eq!(failed.main().status(), 700);
    let waits = fails(0, json!({"boom": {"change": 1, "status": 100}}));
    assert_eq!(names(&waits), ["boom", "other"]);
}

#[test]
fn what_is_not_stored_is_told_and_the_rest_is_replayed() {
    let snapshot = replay(&[
        json!({"id": 3, "flowChanges": {"0": {"flowURI": "res://flow:a", "attrs": {"x": 1}}}}),
        json!({"id": 6, "flowChanges": {"0": {"attrs": {"x": 2}}}}),
        json!({"id": 7, "flowChanges": null}),
    ]);
    assert_eq!(snapshot.gap(), Some((0, 2)));
    assert_eq!((snapshot.steps(), snapshot.last_step()), (3, Some(7)));
    assert_eq!(
        snapshot.to_json(),
        r#"{"flowURI":"res://flow:a","status":0,"attrs":{"x":2},"id":"i"}"#
    );
    assert_eq!(replay(&[json!({"id": 0}), json!({"id": 1})]).gap(), None);
    assert_eq!(
        replay(&[json!({"id": 0}), json!({"id": 2})]).gap(),
        Some((1, 1))
    );
}

#[test]
fn an_ended_subflow_is_not_brought_back_by_what_is_said_of_it_later() {
    let call = json!({"id": 1, "flowId": "i", "flowChanges": {
        "0": {"taskId": "call", "tasks": {"call": {"change": 1, "status": 30}}},
        "1": {"newFlow": true, "status": 100, "tasks": {"t": {"change": 1, "status": 20}}}}});
    let end = json!({"id": 2, "flowChanges": {"1": {"status": 700}}});
    let late = json!({"id": 3, "flowChanges": {"1": {"attrs": {"x": 1}}}});
    let snapshot = replay(&[call.clone(), end.clone(), late.clone()]);
    assert!(snapshot.subflows().is_empty());
    let again = replay(&[call.clone(), end, late.clone(), call]);
    assert_eq!(again.subflows()[&1].task(), "call");
    // of one whose beginning is missing, the rest is shown
    assert_eq!(replay(&[late]).subflows()[&1].flow().attrs().len(), 1);
}

#[test]
fn work_is_taken_by_task_where_a_rerun_in_place_numbers_it_anew() {
    let snapshot = replay(&[
        json!({"id": 0, "flowChanges": {"0": {"newFlow": true}}, "queueChanges":
            {"1": {"taskId": "a"}, "7": {"taskId": "b"}}}),
        json!({"id": 1, "queueChanges": {"1": {"change": 2, "taskId": "b"}, "2": {"taskId": "c"}}}),
    ]);
    let queue: Vec<_> = snapshot.queue().values().map(|item| &*item.task).collect();
    assert_eq!(queue, ["a", "c"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// An engine in little makes steps and keeps its own state; the replay must agree with it after
    /// every one of them.
    #[test]
    fn a_replay_agrees_with_the_engine_that_made_the_steps(choices: Vec<u32>, tracked: bool) {
        let mut engine = model::Engine::new(choices, tracked);
        let mut snapshot = Snapshot::new("i");
        while let Some(step) = engine.step() {
            let text = step.to_string();
            let content = Content::parse(&text).expect("a step");
            snapshot.apply(&content).expect("names");
            prop_assert_eq!(model::seen(&snapshot), engine.state(), "after {}", text);
        }
        prop_assert_eq!(snapshot.gap(), None);
        let json: serde_json::Value = serde_json::from_str(&snapshot.to_json()).expect("JSON");
        let queued = json["workQueue"].as_array().map_or(0, Vec::len);
        prop_assert_eq!(queued, snapshot.queue().len());
    }
}
