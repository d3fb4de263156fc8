//! What the engines' own service could not say: attempts, and the plan of a rerun.

use flowtrail::proto::{FlowStarted, StepRecorded, event::Kind};
use serde_json::{Value, json};

use super::{Face, content};
use crate::support::{Stream, hello, time};

fn start(second: i64, status: &str) -> Kind {
    Kind::Started(FlowStarted {
        instance_id: "i".into(),
        start_time: time(second),
        flow_name: Some("f".into()),
        status: Some(status.into()),
        flow_input: Some(r#"{"n":1}"#.into()),
        ..FlowStarted::default()
    })
}

fn step(number: i32, second: i64, task: &str, status: u32) -> Kind {
    let content = content(
        number.try_into().unwrap(),
        task,
        status,
        &format!("{{\"at\":{second}}}"),
    );
    let content = if number == 0 {
        content.replace(r#""newFlow":false"#, r#""newFlow":true"#)
    } else {
        content
    };
    Kind::Step(StepRecorded {
        instance_id: "i".into(),
        step_id: number,
        start_time: time(second),
        task_name: Some(task.into()),
        status: Some(if status == 100 { "Failed" } else { "Completed" }.into()),
        flow_name: Some("f".into()),
        subflow_id: Some("0".into()),
        step_data: Some(content.into()),
        ..StepRecorded::default()
    })
}

/// An instance of `acme` whose first attempt, begun at 100, failed in step 2, and whose second, begun
/// anew at 200, has come to step 1.
async fn rerun_in_place() -> Face {
    let face = Face::empty().await;
    let (mut stream, _) = Stream::greet(face.service.local_addr(), hello("orders")).await;
    stream
        .chunk([
            start(100, "Created"),
            step(0, 101, "a", 20),
            step(1, 102, "a", 40),
            step(2, 103, "b", 100),
            start(200, "Created"),
            step(0, 201, "a", 20),
            step(1, 202, "a", 40),
        ])
        .await;
    stream.finish().await;
    face
}

#[tokio::test]
async fn the_attempts_of_an_instance_are_listed() {
    let mut face = rerun_in_place().await;
    let (status, _, body) = face.get_as(Some("acme"), "/v1/instances/i/attempts").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        super::json(&body),
        json!([
            { "number": 1, "startTime": "1970-01-01T00:01:40Z", "endTime": null, "status": "Created",
              "ownSteps": 3, "firstOwnStep": 0 },
            { "number": 2, "startTime": "1970-01-01T00:03:20Z", "endTime": null, "status": "Created",
              "ownSteps": 2, "firstOwnStep": 0 },
        ])
    );
    face.end().await;
}

#[tokio::test]
async fn an_attempt_can_be_asked_about_on_every_route() {
    let mut face = rerun_in_place().await;
    let mut ask = async |path: &str| {
        let (status, _, body) = face.get_as(Some("acme"), path).await;
        (
            status,
            serde_json::from_str::<Value>(&body).unwrap_or_default(),
        )
    };
    for (attempt, steps, at) in [("", 2, 202), ("?attempt=2", 2, 202), ("?attempt=1", 3, 103)] {
        let (_, found) = ask(&format!("/v1/instances/i/steps{attempt}")).await;
        assert_eq!(
            found.as_array().expect("an array").len(),
            steps,
            "{attempt}"
        );
        let (_, found) = ask(&format!("/v1/instances/i/steps/tasks{attempt}")).await;
        assert_eq!(
            found.as_array().expect("an array").len(),
            steps,
            "{attempt}"
        );
        let (_, found) = ask(&format!("/v1/instances/i/steps/status{attempt}")).await;
        assert_eq!(
            found.as_array().expect("an array").len(),
            steps - 1,
            "{attempt}"
        );
        let (_, found) = ask(&format!("/v1/instances/i/snapshot{attempt}")).await;
        assert_eq!(found["attrs"]["at"], at, "{attempt}");
        let (_, found) = ask(&format!("/v1/instances/i/snapshot/0{attempt}")).await;
        assert_eq!(
            found["attrs"]["at"],
            if at == 103 { 101 } else { 201 },
            "{attempt}"
        );
        let (_, found) = ask(&format!("/v1/instances/i/failedtask{attempt}")).await;
        assert_eq!(
            found["taskName"],
            if steps == 3 { "b" } else { "" },
            "{attempt}"
        );
        let (status, _) = ask(&format!("/v1/instances/i/step/2/taskdata{attempt}")).await;
        assert_eq!(status, if steps == 3 { 200 } else { 404 }, "{attempt}");
        assert_eq!(
            ask(&format!("/v1/instances/i/status{attempt}")).await.1["status"],
            "0"
        );
        let (_, found) = ask(&format!("/v1/instances/i/details{attempt}")).await;
        assert_eq!(found["flowInputs"], json!({ "n": 1 }), "{attempt}");
        assert_eq!(ask(&format!("/v1/instances/i/rerun{attempt}")).await.0, 200);
    }
    for route in [
        "details",
        "status",
        "steps",
        "steps/tasks",
        "steps/status",
        "failedtask",
        "snapshot",
        "snapshot/0",
        "step/0/taskdata",
        "rerun",
    ] {
        let (status, error) = ask(&format!("/v1/instances/i/{route}?attempt=3")).await;
        assert_eq!(status, 404, "{route}: {error}");
        assert_eq!(error["code"], 404, "{route}");
    }
    face.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_is_planned_with_the_request_for_the_engine() {
    let mut face = Face::recorded().await;
    let failed = "/v1/instances/c00c853e25cfcefe2d2d4994eaa3b28a/rerun";
    let whole = face.json(failed).await;
    assert_eq!(whole["instanceId"], "c00c853e25cfcefe2d2d4994eaa3b28a");
    assert_eq!(whole["flowUri"], "res://flow:fails");
    assert_eq!(
        (&whole["from"], &whole["task"], &whole["state"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&whole["missing"], &whole["replacedSteps"]),
        (&json!([]), &json!(0))
    );
    let request = &whole["engineRequest"];
    assert_eq!(request["path"], "/flow/start");
    assert_eq!(request["body"]["flowUri"], "res://flow:fails");
    assert_eq!(request["body"]["data"], whole["input"]);
    assert_eq!(whole["input"]["order"]["orderId"], "A-1001");

    let from = face.json(&format!("{failed}?from=2")).await;
    assert_eq!((&from["from"], &from["task"]), (&json!(2), &json!("boom")));
    assert_eq!(from["replacedSteps"], 1);
    assert_eq!(from["replaced"][0]["stepId"], 2);
    assert_eq!(from["replaced"][0]["taskName"], "boom");
    let before = face.json(&failed.replace("rerun", "snapshot/1")).await;
    assert_eq!(from["state"], before);
    assert_eq!(from["engineRequest"]["path"], "/flow/restart");
    assert_eq!(from["engineRequest"]["body"]["initialState"], before);

    let beyond = face.json(&format!("{failed}?from=99")).await;
    assert!(!beyond["missing"].as_array().expect("an array").is_empty());
    assert_eq!(beyond["engineRequest"], Value::Null);
    face.end().await;
}
