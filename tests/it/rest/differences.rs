//! One test for each row of "What differs" in `docs/flow-state.md`, under the row's name.

mod failures;
mod lists;
mod replay;

use serde_json::{Value, json};

use crate::rest::{Face, content, instance, row};
use crate::support::Chance;

/// The steps `0` to `3` of a flow that sets `a` twice.
fn steps() -> String {
    [
        row(0, "one", "Started", 0, &start()),
        row(
            1,
            "one",
            "Completed",
            0,
            &content(1, "one", 40, r#"{"a":1}"#),
        ),
        row(
            2,
            "two",
            "Completed",
            0,
            &content(2, "two", 40, r#"{"a":2,"b":1}"#),
        ),
        row(3, "three", "Failed", 0, &content(3, "three", 100, "null")),
    ]
    .concat()
}

fn start() -> String {
    content(0, "one", 20, "null").replace(r#""newFlow":false"#, r#""newFlow":true"#)
}

fn step_ids(steps: &Value) -> Vec<u64> {
    let steps = steps.as_array().expect("an array");
    steps
        .iter()
        .map(|step| step["id"].as_u64().expect("an id"))
        .collect()
}

#[tokio::test]
async fn missing_is_404() {
    let mut face = Face::empty().await;
    face.sql(&instance("i", 1, "Completed")).await;
    for (path, message) in [
        ("nobody/details", "instance nobody is not stored"),
        ("nobody/status", "instance nobody is not stored"),
        ("nobody/attempts", "instance nobody is not stored"),
        ("nobody/rerun", "instance nobody is not stored"),
        ("nobody/steps", "nobody is"),
        ("nobody/steps/tasks", "nobody is"),
        ("nobody/snapshot", "nobody is"),
        ("nobody/snapshot/0", "nobody is"),
        ("i/steps", "no step of instance i is stored"),
        ("i/steps/tasks", "no step of instance i is stored"),
        ("i/snapshot", "no step of instance i is stored"),
        ("i/step/7/taskdata", "step 7 of instance i"),
    ] {
        let said = face.refused(404, &format!("/v1/instances/{path}")).await;
        assert!(said.contains(message), "{path}: {said}");
    }
    // of these it says that there is nothing
    assert_eq!(
        face.get("/v1/instances/nobody/steps/status").await.2,
        "[]\n"
    );
    assert_eq!(
        face.get("/v1/instances/nobody/failedtask").await.2,
        "{\"flowInstanceId\":\"nobody\",\"stepId\":\"\",\"taskName\":\"\"}\n"
    );
    face.end().await;
}

#[tokio::test]
async fn details_without_inputs() {
    let mut face = Face::empty().await;
    face.sql(&instance("i", 1, "Completed")).await;
    face.sql("update public.flowstate set flowinput = null, reruncount = null")
        .await;
    let details = face.json("/v1/instances/i/details").await;
    assert_eq!(details["flowInputs"], Value::Null);
    assert_eq!(details["rerunCount"], 0);
    // bytes of another engine are not JSON, and an answer must be
    for other in ["\\xff00", "\\x5b315d", "\\x7b"] {
        face.sql(&format!(
            "update public.flowstate set flowinput = '{other}'"
        ))
        .await;
        let details = face.json("/v1/instances/i/details").await;
        assert_eq!(details["flowInputs"], Value::Null, "{other}");
        assert_eq!(details["originalInstanceId"], "", "{other}");
    }
    face.end().await;
}

#[tokio::test]
async fn details_tell_reruns() {
    let mut face = Face::empty().await;
    face.sql(&instance("i", 1, "Completed")).await;
    face.sql("update public.flowstate set reruncount = 2, rerunofflowinstanceid = 'first'")
        .await;
    let details = face.json("/v1/instances/i/details").await;
    assert_eq!(details["rerunCount"], 2);
    assert_eq!(details["originalInstanceId"], "first");
    face.end().await;
}

#[tokio::test]
async fn status_is_told() {
    let mut face = Face::empty().await;
    for (word, number) in [
        ("Created", "0"),
        ("Started", "100"),
        ("Completed", "500"),
        ("Cancelled", "600"),
        ("Failed", "700"),
        ("Other", "0"),
    ] {
        face.sql(&instance(word, 1, word)).await;
        let (status, _, body) = face
            .get_as(None, &format!("/v1/instances/{word}/status"))
            .await;
        assert_eq!(
            (status, body),
            (200, format!("{{\"status\":\"{number}\"}}\n"))
        );
    }
    face.end().await;
}

#[tokio::test]
async fn steps_in_order() {
    let mut face = Face::empty().await;
    let mut shuffled: Vec<u32> = (0..12).collect();
    Chance(1).shuffle(&mut shuffled);
    for step in shuffled {
        face.sql(&row(
            step,
            "t",
            "Completed",
            0,
            &content(step, "t", 40, "null"),
        ))
        .await;
    }
    let steps = face.json("/v1/instances/i/steps").await;
    assert_eq!(step_ids(&steps), (0..12).collect::<Vec<_>>());
    let tasks = face.json("/v1/instances/i/steps/tasks").await;
    let tasks = tasks.as_array().expect("an array");
    assert!(
        tasks
            .iter()
            .zip(0..)
            .all(|(tasks, step)| tasks[0]["stepId"] == step)
    );
    face.end().await;
}

#[tokio::test]
async fn steps_are_as_sent() {
    let mut face = Face::empty().await;
    let sent = r#"{"id":0, "flowId":"i","big":12345678901234567890,"exact":1.0,"<":"\u003c"}"#;
    face.sql(&row(0, "t", "Completed", 0, sent)).await;
    assert_eq!(
        face.get("/v1/instances/i/steps").await.2,
        format!("[{sent}]\n")
    );
    face.end().await;
}

#[tokio::test]
async fn steps_of_other_engines() {
    let mut face = Face::empty().await;
    face.sql(&row(3, "t", "Completed", 1, "no JSON")).await;
    face.sql("insert into public.steps (flowinstanceid, stepid) values ('i', '4')")
        .await;
    assert_eq!(
        face.json("/v1/instances/i/steps").await,
        json!([
            { "id": 3, "flowId": "i", "flowChanges": {}, "starttime": "2026-01-01T00:00:03Z",
              "endtime": "2026-01-01T00:00:03Z", "rerun": false },
            { "id": 4, "flowId": "i", "flowChanges": {}, "starttime": "0001-01-01T00:00:00Z",
              "endtime": "0001-01-01T00:00:00Z", "rerun": false },
        ])
    );
    let task = json!({ "id": "t", "stepId": 3, "subflowId": 1, "status": "Completed", "flow_status": "Created",
        "startTask": false, "newSubflow": false, "flowname": "f" });
    assert_eq!(
        face.json("/v1/instances/i/steps/tasks").await,
        json!([[task]])
    );
    assert_eq!(
        face.json("/v1/instances/i/step/3/taskdata").await,
        json!([task])
    );
    let said = face.refused(409, "/v1/instances/i/snapshot").await;
    assert!(said.contains("step 3"), "{said}");
    face.end().await;
}

#[tokio::test]
async fn steps_without_changes() {
    let mut face = Face::empty().await;
    face.sql(&steps()).await;
    let nothing = r#"{"id":4,"flowId":"i","flowChanges":{},"queueChanges":{"5":{"change":0,"subflowId":0,"taskId":"one"}}}"#;
    face.sql(&row(4, "one", "", 0, nothing)).await;
    face.sql("update public.steps set flowname = '' where stepid = '4'")
        .await;
    assert_eq!(
        step_ids(&face.json("/v1/instances/i/steps").await),
        [0, 1, 2, 3, 4]
    );
    for (path, shown) in [("steps/tasks", 4), ("steps/status", 3)] {
        let found = face.json(&format!("/v1/instances/i/{path}")).await;
        assert_eq!(found.as_array().expect("an array").len(), shown, "{path}");
    }
    face.refused(404, "/v1/instances/i/step/4/taskdata").await;
    // the queue entry counts all the same
    let snapshot = face.json("/v1/instances/i/snapshot").await;
    assert_eq!(
        snapshot["workQueue"],
        json!([{ "id": 5, "subflowId": 0, "taskId": "one" }])
    );
    face.end().await;
}

#[tokio::test]
async fn snapshot_newest_value() {
    let mut face = Face::empty().await;
    face.sql(&steps()).await;
    let at_one = face.json("/v1/instances/i/snapshot/1").await;
    assert_eq!(at_one["attrs"], json!({ "a": 1 }));
    let last = face.json("/v1/instances/i/snapshot").await;
    assert_eq!(last["attrs"], json!({ "a": 2, "b": 1 }));
    face.end().await;
}
