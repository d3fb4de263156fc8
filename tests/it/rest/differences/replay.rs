//! What differs in snapshots and tasks.

use serde_json::{Value, json};

use super::{start, steps};
use crate::rest::{Face, content, row};

/// A call of a subflow that has begun, and one that has ended.
fn calls() -> [String; 3] {
    let call = r#"{"id":1,"flowId":"i","flowChanges":{"0":{"flowURI":"res://flow:f","taskId":"call","tasks":{"call":{"change":1,"status":30,"input":{"n":1}}}},
        "1":{"newFlow":true,"flowURI":"res://flow:sub","subflowId":1,"taskId":"inner","status":100,"attrs":{"n":1},"tasks":{"inner":{"change":1,"status":20}},
        "links":{"7":{"change":1,"status":2,"from":"inner","to":"inner2"}}}},
        "queueChanges":{"2":{"change":2},"3":{"change":0,"subflowId":0,"taskId":"inner"}},"starttime":"2026-01-01T00:00:01Z","endtime":"2026-01-01T00:00:01Z"}"#;
    let ended = r#"{"id":2,"flowId":"i","flowChanges":{"1":{"flowURI":"res://flow:sub","taskId":"inner","status":500,"attrs":{"n":2},"tasks":{"inner":{"change":2,"status":40}},"returnData":{"r":1}}},
        "queueChanges":{"3":{"change":2},"4":{"change":0,"subflowId":0,"taskId":"call"}},"starttime":"2026-01-01T00:00:02Z","endtime":"2026-01-01T00:00:02Z"}"#;
    let back = r#"{"id":3,"flowId":"i","flowChanges":{"0":{"flowURI":"res://flow:f","taskId":"call","attrs":{"_A.call.r":1},"tasks":{"call":{"change":2,"status":40}}}},
        "queueChanges":{"4":{"change":2}},"starttime":"2026-01-01T00:00:03Z","endtime":"2026-01-01T00:00:03Z"}"#;
    [
        row(1, "call", "Waiting", 0, call),
        row(2, "inner", "Completed", 1, ended),
        row(3, "call", "Completed", 0, back),
    ]
}

#[tokio::test]
async fn snapshot_subflows_apart() {
    let mut face = Face::empty().await;
    face.sql(&row(0, "one", "Started", 0, &start())).await;
    face.sql(&calls().concat()).await;
    let inside = face.json("/v1/instances/i/snapshot/1").await;
    assert_eq!(inside["attrs"], Value::Null);
    let subflow = &inside["subflows"][0];
    assert_eq!(
        (&subflow["id"], &subflow["flowURI"]),
        (&json!(1), &json!("res://flow:sub"))
    );
    assert_eq!(subflow["attrs"], json!({ "n": 1 }));
    let after = face.json("/v1/instances/i/snapshot/2").await;
    assert_eq!(after["subflows"], Value::Null);
    assert_ne!(after["status"], 500, "that is the subflow's");
    face.end().await;
}

#[tokio::test]
async fn snapshot_what_lives() {
    let mut face = Face::empty().await;
    let ended = content(1, "one", 40, "null")
        .replace(r#""change":1"#, r#""change":2"#)
        .replace(
            r#""links":null"#,
            r#""links":{"0":{"change":2,"status":2,"from":"","to":""}}"#,
        );
    face.sql(&row(0, "one", "Started", 0, &start())).await;
    face.sql(&row(1, "one", "Completed", 0, &ended)).await;
    let begun = face.json("/v1/instances/i/snapshot/0").await;
    assert_eq!(begun["tasks"], json!([{ "id": "one", "status": 20 }]));
    let after = face.json("/v1/instances/i/snapshot").await;
    assert_eq!(
        (&after["tasks"], &after["links"]),
        (&Value::Null, &Value::Null)
    );
    face.end().await;
}

#[tokio::test]
async fn snapshot_queue() {
    let mut face = Face::empty().await;
    face.sql(&row(0, "one", "Started", 0, &start())).await;
    face.sql(&calls().concat()).await;
    for (step, task, id) in [(1, "inner", 3), (2, "call", 4)] {
        for _ in 0..5 {
            let snapshot = face.json(&format!("/v1/instances/i/snapshot/{step}")).await;
            let queue = snapshot["workQueue"].as_array().expect("a queue").clone();
            assert_eq!(queue.len(), 1);
            assert_eq!(
                (&queue[0]["id"], &queue[0]["taskId"]),
                (&json!(id), &json!(task))
            );
        }
    }
    assert_eq!(
        face.json("/v1/instances/i/snapshot").await["workQueue"],
        Value::Null
    );
    face.end().await;
}

#[tokio::test]
async fn snapshot_reads_back() {
    let mut face = Face::empty().await;
    face.sql(&row(0, "one", "Started", 0, &start())).await;
    face.sql(&calls()[0]).await;
    let snapshot = face.json("/v1/instances/i/snapshot").await;
    let subflow = &snapshot["subflows"][0];
    assert_eq!(subflow["subFlowId"], subflow["id"]);
    assert_eq!(
        subflow["links"],
        json!([{ "id": 7, "linkId": 7, "status": 2 }])
    );
    face.end().await;
}

#[tokio::test]
async fn snapshot_by_step_id() {
    let mut face = Face::empty().await;
    face.sql(&steps()).await;
    face.sql("delete from public.steps where stepid = '1'")
        .await;
    // a place in the list would be step 2
    assert_eq!(
        face.json("/v1/instances/i/snapshot/1").await["attrs"],
        Value::Null
    );
    assert_eq!(
        face.json("/v1/instances/i/snapshot/2").await["attrs"]["a"],
        2
    );
    for beyond in ["4", "99", "4294967296", "99999999999999999999999999"] {
        let said = face
            .refused(400, &format!("/v1/instances/i/snapshot/{beyond}"))
            .await;
        assert!(
            said.starts_with(&format!("invalid stepId: {beyond}")),
            "{said}"
        );
    }
    for negative in ["-1", "-2"] {
        let said = face
            .refused(400, &format!("/v1/instances/i/snapshot/{negative}"))
            .await;
        assert_eq!(said, format!("invalid stepId: {negative}"));
    }
    face.end().await;
}

#[tokio::test]
async fn tasks_in_order() {
    let mut face = Face::empty().await;
    let step = content(0, "b", 40, "null")
        .replace(r#""tasks":{"#, r#""tasks":{"c":{"change":1,"status":40},"a":{"change":1,"status":40},"#)
        .replace(
            r#""links":null"#,
            r#""links":{"10":{"status":2,"from":"b","to":"y"},"9":{"status":2,"from":"b","to":"x"}}"#,
        );
    face.sql(&row(0, "b", "Completed", 0, &step)).await;
    for _ in 0..5 {
        let tasks = face.json("/v1/instances/i/step/0/taskdata").await;
        assert_eq!(tasks[0]["id"], "b");
        assert_eq!(
            (&tasks[0]["links"][0]["to"], &tasks[0]["links"][1]["to"]),
            (&json!("x"), &json!("y"))
        );
    }
    face.end().await;
}

#[tokio::test]
async fn call_in_a_loop() {
    let mut face = Face::empty().await;
    let [call, _, back] = calls();
    face.sql(&row(0, "one", "Started", 0, &start())).await;
    let again = |statement: &str, from: u32, to: u32, value: u32| {
        statement
            .replace(&format!("'i', '{from}'"), &format!("'i', '{to}'"))
            .replace(&format!(r#"{{"id":{from}"#), &format!(r#"{{"id":{to}"#))
            .replace(r#""_A.call.r":1"#, &format!(r#""_A.call.r":{value}"#))
    };
    face.sql(
        &[
            call.clone(),
            back.clone(),
            again(&call, 1, 4, 1),
            again(&back, 3, 5, 2),
        ]
        .concat(),
    )
    .await;
    for (step, value) in [(1, 1), (4, 2)] {
        let tasks = face
            .json(&format!("/v1/instances/i/step/{step}/taskdata"))
            .await;
        assert_eq!(tasks.as_array().expect("an array").len(), 1);
        assert_eq!(
            (&tasks[0]["stepId"], &tasks[0]["output"]["r"]),
            (&json!(step), &json!(value))
        );
    }
    face.end().await;
}
