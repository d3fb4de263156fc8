//! What is read from recorded steps against what the engine and the engines' own service said of the
//! same ones: the snapshot that the engine posted with each step, and that service's answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use flowtrail::{
    event::{
        Micros,
        flogo::{self, Content},
    },
    query::{Snapshot, Step, StepContent, calls, tasks},
};
use serde_json::{Value, json};

const TRAFFIC: &str = include_str!("../../demo/recorder-traffic.jsonl");
const GOLDEN: &str = include_str!("../fixtures/golden-queries.jsonl");

/// Bodies posted to one of the recorder's routes, in order.
fn posted(route: &str) -> Vec<String> {
    let lines = TRAFFIC.lines();
    let requests = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    requests
        .filter(|request| request["path"] == format!("/v1/instances/{route}"))
        .map(|request| request["body"].as_str().unwrap().to_owned())
        .collect()
}

/// Rows of an instance as they are stored, by step id.
fn instances() -> BTreeMap<String, Vec<StepContent>> {
    let mut instances: BTreeMap<String, Vec<StepContent>> = BTreeMap::new();
    for body in posted("steps") {
        let step = flogo::Step::parse(&body).unwrap();
        let time = |time: flogo::Time| {
            Some(Micros::from_unix("time", time.seconds, time.nanos.into()).unwrap())
        };
        let row = Step {
            id: u32::try_from(step.step_id).unwrap(),
            task: step.task_name.into_owned(),
            status: step.status.to_owned(),
            flow: step.flow_name.into_owned(),
            subflow: step.subflow_id.into_owned(),
            started_at: time(step.start_time),
            ended_at: time(step.end_time),
            rerun: Some(step.rerun),
            bytes: body.len() as u64,
        };
        let steps = instances.entry(step.instance_id.to_string()).or_default();
        let content = Bytes::copy_from_slice(body.as_bytes());
        steps.push(StepContent { step: row, content });
    }
    assert_eq!(instances.len(), 5);
    instances
}

/// The recorded answer to a request without parameters; none when it was not asked.
fn answered(path: &str) -> Option<Value> {
    let lines = GOLDEN.lines();
    let mut queries = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let query = queries.find(|query| query["path"] == path && query["status"] == 200)?;
    Some(serde_json::from_str(query["response"].as_str().unwrap()).unwrap())
}

/// Links in any order: the recorded ones come in that of a Go map.
fn sorted(mut tasks: Value) -> Value {
    for task in tasks.as_array_mut().unwrap() {
        if let Some(links) = task.get_mut("links") {
            links.as_array_mut().unwrap().sort_by_key(Value::to_string);
        }
    }
    tasks
}

#[test]
fn snapshots_agree_with_those_of_the_engine_after_every_step() {
    let flow = |snapshot: &Value| {
        let list = |name: &str| {
            let list = snapshot[name].as_array().cloned().unwrap_or_default();
            let pairs = list
                .iter()
                .map(|one| (one["id"].to_string(), one["status"].clone()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        let fields = ["id", "flowURI", "status", "attrs"].map(|name| snapshot[name].clone());
        (fields, list("tasks"), list("links"))
    };
    let (steps, snapshots) = (posted("steps"), posted("snapshot"));
    assert_eq!((steps.len(), snapshots.len()), (29, 29));
    let mut state = Snapshot::default();
    for (step, expected) in steps.iter().zip(&snapshots) {
        let content = Content::parse(step).unwrap();
        if content.step_id == 0 {
            state = Snapshot::new(&content.instance_id);
        }
        state.apply(&content).unwrap();
        let ours: Value = serde_json::from_str(&state.to_json()).unwrap();
        let theirs: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(flow(&ours), flow(&theirs), "after {step}");
        assert_eq!(state.gap(), None);
        // the engine's own name neither subflows nor the queue; a flow that has ended has neither
        if ours["status"].as_i64().unwrap() >= 500 {
            assert!(
                ours.get("workQueue").is_none() && ours.get("subflows").is_none(),
                "{ours}"
            );
        }
    }
}

#[test]
fn the_state_within_a_call_names_the_subflow_and_its_work() {
    let steps = &instances()["c30c853e25cfcefe2d2d4994eaa3b28a"];
    let after = |step: usize| {
        let mut state = Snapshot::new("i");
        for step in &steps[..=step] {
            step.flogo(|content| state.apply(content)).unwrap();
        }
        serde_json::from_str::<Value>(&state.to_json()).unwrap()
    };
    let called = after(4);
    assert_eq!(
        called["workQueue"],
        json!([{"id": 5, "subflowId": 1, "taskId": "ret2"}])
    );
    let subflow = &called["subflows"][0];
    assert_eq!(subflow["flowURI"], "res://flow:price");
    assert_eq!(subflow["taskId"], "price");
    assert_eq!(
        (&subflow["id"], &subflow["subFlowId"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        subflow["links"],
        json!([{"id": 0, "linkId": 0, "status": 2}])
    );
    let returned = after(5);
    assert_eq!(
        returned["workQueue"],
        json!([{"id": 6, "subflowId": 0, "taskId": "price"}])
    );
    assert_eq!(returned.get("subflows"), None);
}

#[test]
fn tasks_are_those_of_the_recorded_answers() {
    let mut compared = 0;
    for (id, steps) in instances() {
        let all: Vec<Value> = steps
            .iter()
            .map(|step| sorted(serde_json::to_value(step.tasks().unwrap()).unwrap()))
            .collect();
        let path = format!("/v1/instances/{id}/steps/tasks");
        let expected = answered(&path).unwrap();
        // in any order, too
        let by_step = |tasks: Vec<Value>| {
            let mut tasks: Vec<Value> = tasks.into_iter().map(sorted).collect();
            tasks.sort_by_key(|tasks| tasks[0]["stepId"].as_i64());
            tasks
        };
        assert_eq!(
            by_step(all),
            by_step(expected.as_array().unwrap().clone()),
            "{path}"
        );

        for (at, call) in steps.iter().enumerate() {
            let path = format!("/v1/instances/{id}/step/{}/taskdata", call.step.id);
            let Some(expected) = answered(&path) else {
                continue;
            };
            let mut shown = call.tasks().unwrap();
            if tasks::is_call(&shown) {
                let end = calls::End::of(&call.step);
                let found = steps[at..].iter().try_for_each(|step| end.look(&step.step));
                let found = found.break_value().flatten();
                let step = steps.iter().find(|step| Some(step.step.id) == found);
                shown = tasks::of_call(shown, step.map(|step| step.tasks().unwrap()));
            }
            let shown = serde_json::to_value(shown).unwrap();
            assert_eq!(sorted(shown), sorted(expected), "{path}");
            compared += 1;
        }
    }
    assert_eq!(compared, 19);
}

#[test]
fn calls_are_put_together_as_in_the_recorded_answers() {
    for (id, steps) in instances() {
        let mut merged = calls::Merged::default();
        for step in &steps {
            merged.push(&step.step);
        }
        let path = format!("/v1/instances/{id}/steps/status");
        let rows = serde_json::to_value(merged.rows()).unwrap();
        assert_eq!(Some(rows), answered(&path), "{path}");
        let path = format!("/v1/instances/{id}/failedtask");
        let failed = merged.failed();
        let failed = json!({
            "flowInstanceId": id,
            "stepId": failed.map_or("", |row| &row.step_id),
            "taskName": failed.map_or("", |row| &row.task),
        });
        assert_eq!(Some(failed), answered(&path), "{path}");
    }
}
