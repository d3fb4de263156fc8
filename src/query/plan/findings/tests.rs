use serde_json::{Value, json};

use super::*;

/// The state after all steps but the last, and what is found at that.
fn found(steps: &[Value]) -> (Findings, Findings) {
    let mut before = Snapshot::new("i");
    let (last, earlier) = steps.split_last().expect("a step");
    for step in earlier {
        let text = step.to_string();
        let content = Content::parse(&text).expect("a step");
        before.apply(&content).expect("names");
    }
    let text = last.to_string();
    let content = Content::parse(&text).expect("a step");
    let from = u32::try_from(content.step_id).expect("a number");
    (state(&before, from), step(&before, &content))
}

/// A call of a subflow of one task, and a task after it.
fn call() -> Vec<Value> {
    let task = |change, status| json!({"change": change, "status": status});
    let add = |name| json!({"change": 0, "taskId": name});
    let del = |name| json!({"change": 2, "taskId": name});
    vec![
        json!({"id": 0, "flowId": "i", "flowChanges": {"0": {"newFlow": true, "flowURI": "res://flow:a", "status": 100,
            "attrs": {"_fctx.FlowId": "i"}, "tasks": {"call": task(1, 20)}}}, "queueChanges": {"1": add("call")}}),
        json!({"id": 1, "flowId": "i", "flowChanges": {"0": {"taskId": "call", "tasks": {"call": task(1, 30)}},
            "1": {"newFlow": true, "status": 100, "tasks": {"in": task(1, 20)}}},
            "queueChanges": {"1": del("call"), "2": add("in")}}),
        json!({"id": 2, "flowId": "i", "flowChanges": {"1": {"status": 500, "tasks": {"in": task(2, 40)}}},
            "queueChanges": {"2": del("in"), "3": add("call")}}),
        json!({"id": 3, "flowId": "i", "flowChanges": {"0": {"taskId": "call", "tasks": {"call": task(2, 40), "end": task(1, 20)}}},
            "queueChanges": {"3": del("call"), "4": add("end")}}),
        json!({"id": 4, "flowId": "i", "flowChanges": {"0": {"taskId": "end", "tasks": {"end": task(1, 20)}}},
            "queueChanges": {"4": del("end"), "5": add("end")}}),
        json!({"id": 5, "flowId": "i", "flowChanges": {"0": {"taskId": "end", "status": 500, "tasks": {"end": task(2, 40)}}},
            "queueChanges": {"5": del("end")}}),
    ]
}

fn sentences(found: (Findings, Findings)) -> (Vec<String>, Vec<String>) {
    let (mut state, step) = found;
    state.missing.extend(step.missing);
    state.warnings.extend(step.warnings);
    (state.missing, state.warnings)
}

#[test]
fn an_engine_can_go_on_outside_of_calls_only() {
    let steps = call();
    let at = |step: usize| sentences(found(&steps[..=step]));
    assert_eq!(at(1), (vec![], vec![]));
    let (missing, _) = at(2);
    assert_eq!(
        missing,
        [
            "step 2 lies within a subflow that task call called, and engines cannot go on inside one; \
             go on from step 1, which calls it"
        ]
    );
    let (missing, _) = at(3);
    assert_eq!(
        missing,
        [
            "step 3 takes what a subflow returned to task call, which is no part of the state; go on \
             from step 1, which calls it"
        ]
    );
    assert_eq!(at(4), (vec![], vec![]));
    let (missing, warnings) = at(5);
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(
        warnings,
        ["task end was iterating or being tried again before step 5; it would begin anew"]
    );
}

#[test]
fn what_is_not_stored_is_in_the_way() {
    let mut steps = call();
    steps.remove(1);
    let (missing, _) = sentences(found(&steps[..4]));
    assert_eq!(
        missing,
        ["step 1 is not stored, so the state before step 4 is not known"]
    );
    let (missing, _) = sentences(found(&call()[4..=4]));
    assert_eq!(
        missing,
        [
            "the name of the flow is not stored",
            "steps 0 to 3 are not stored, so the state before step 4 is not known",
        ]
    );
    let mut steps = call();
    steps[4]["queueChanges"] = json!({"9": {"change": 2, "taskId": "other"}});
    let (missing, _) = sentences(found(&steps[..=4]));
    assert_eq!(
        missing,
        ["task other, which step 4 ran, is not queued before it"]
    );
    steps[3]["queueChanges"] = json!({"3": {"change": 2, "taskId": "call"}});
    let (missing, _) = sentences(found(&steps[..=4]));
    assert_eq!(missing[0], "no work is queued before step 4");
}

#[test]
fn the_second_half_of_a_failure_runs_nothing() {
    let mut steps = call();
    steps.truncate(2);
    steps.push(
        json!({"id": 2, "flowId": "i", "flowChanges": {"1": {"status": 700}}, "queueChanges":
        {"2": {"change": 2, "taskId": "in"}}}),
    );
    steps.push(
        json!({"id": 3, "flowChanges": {}, "queueChanges": {"3": {"change": 0, "taskId": "call"}}}),
    );
    let (missing, _) = sentences(found(&steps));
    assert!(
        missing[1].starts_with("step 3 took no task from the queue"),
        "{missing:?}"
    );
    steps.push(
        json!({"id": 4, "flowChanges": {"0": {"status": 700}}, "queueChanges":
        {"3": {"change": 2, "taskId": "call"}}}),
    );
    let (missing, _) = sentences(found(&steps));
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].ends_with("go on from step 1, which calls it"),
        "{missing:?}"
    );
}

#[test]
fn work_is_taken_from_the_top_and_outputs_are_needed() {
    let steps = [
        json!({"id": 0, "flowChanges": {"0": {"newFlow": true, "flowURI": "u", "tasks":
            {"a": {"status": 20}, "b": {"status": 20}}}},
            "queueChanges": {"1": {"taskId": "a"}, "2": {"taskId": "b"}, "3": {"taskId": "lost"}}}),
        json!({"id": 1, "flowChanges": {}}),
        json!({"id": 2, "flowChanges": {"0": {"taskId": "a"}}, "queueChanges": {"1": {"change": 2, "taskId": "a"}}}),
    ];
    let (missing, warnings) = sentences(found(&steps));
    assert_eq!(
        missing,
        ["task lost is queued before step 2, and its state is not known"]
    );
    assert!(
        warnings[0].starts_with("the engine recorded no outputs"),
        "{warnings:?}"
    );
    assert_eq!(
        warnings[1],
        "task lost is queued too, and an engine takes it first"
    );
}

#[test]
fn a_whole_flow_needs_its_name_and_an_object_as_input() {
    assert_eq!(whole("u", Some(b" {\"a\":1}")), Findings::default());
    assert_eq!(whole("", None).missing.len(), 2);
    assert_eq!(whole("u", Some(b"[1]")).missing.len(), 1);
    assert_eq!(whole("u", Some(b"\xff")).missing.len(), 1);
    assert_eq!(ended("Created").warnings.len(), 1);
    assert_eq!(ended("Failed"), Findings::default());
    assert_eq!(replaced(0, 3), Findings::default());
    assert_eq!(
        replaced(1, 3).warnings,
        [
            "an engine that runs it again under its own id replaces 1 step from step 3 on; this attempt stays readable"
        ]
    );
}
