//! What differs in what the recorder's requests and the deletions do; see `differences`.

use serde_json::json;

use super::{Face, ORDERS};
use crate::support::count;

/// The body of a start or an end at these seconds of a minute.
fn state(id: &str, status: &str, started: &str, ended: &str, original: &str) -> String {
    json!({
        "user_id": "flogo", "app_name": "orders", "app_version": "1.2.0", "host_id": "vm", "flow_name": "f",
        "flow_instance_id": id, "flow_inputs": { "n": 1 }, "flow_outputs": { "m": 2 }, "flow_stats": status,
        "rerun_count": 0, "start_time": started, "end_time": ended, "original_instance_id": original,
    })
    .to_string()
}

const FIRST: &str = "2026-01-01T00:00:01Z";
const LATER: &str = "2026-01-01T00:00:02Z";

/// The body of a step of `i`.
fn step(number: u32, changes: &str) -> String {
    format!(
        r#"{{"id":{number},"flowId":"i","flowChanges":{changes},"starttime":"{FIRST}","endtime":"{FIRST}","rerun":false}}"#
    )
}

fn change(task: &str, flow: &str, status: u32) -> String {
    format!(
        r#"{{"0":{{"newFlow":false,"flowURI":"res://flow:{flow}","taskId":"{task}","tasks":{{"{task}":{{"change":1,"status":{status},"input":null}}}}}}}}"#
    )
}

impl Face {
    async fn post(&mut self, what: &str, body: &str) -> (u16, String) {
        let path = format!("/v1/instances/{what}");
        let (status, _, body) = self.rest.request("POST", &path, &[], body.as_bytes()).await;
        (status, body)
    }

    async fn took(&mut self, what: &str, body: &str) {
        assert_eq!(
            self.post(what, body).await,
            (200, String::new()),
            "{what} {body}"
        );
    }

    /// Rows for which `condition` holds.
    async fn rows(&self, condition: &str) -> i64 {
        count(&self.database, &format!("select count(*) from {condition}")).await
    }
}

#[tokio::test]
async fn null_changes() {
    let mut face = Face::empty().await;
    for changes in [
        r#"{"0":null}"#,
        r#"{"0":{"taskId":"t","tasks":{"t":null}}}"#,
    ] {
        for later in ["false", "true"] {
            let headers = [("async-calling", later)];
            let body = step(0, changes);
            let path = "/v1/instances/steps";
            let answer = face
                .rest
                .request("POST", path, &headers, body.as_bytes())
                .await;
            assert_eq!(answer.0, 400, "{changes}");
        }
    }
    assert_eq!(face.get("/v1/health").await.0, 200);
    face.end().await;
}

#[tokio::test]
async fn later_is_after_the_commit() {
    let mut face = Face::empty().await;
    let headers = [("async-calling", "true")];
    let mut post = async |path: &str, body: &str| {
        face.rest
            .request("POST", path, &headers, body.as_bytes())
            .await
            .0
    };
    assert_eq!(
        post("/v1/instances/steps", &step(0, &change("t", "f", 40))).await,
        202
    );
    assert_eq!(post("/v1/instances/steps", "no JSON").await, 400);
    assert_eq!(post("/v1/instances/snapshot", "[]").await, 400);
    assert_eq!(
        face.rows("public.steps where flowinstanceid = 'i'").await,
        1
    );
    face.end().await;
}

#[tokio::test]
async fn any_order() {
    let mut face = Face::empty().await;
    let (start, end) = (
        state("i", "Created", FIRST, FIRST, ""),
        state("i", "Completed", FIRST, LATER, ""),
    );
    // the end comes first, the start twice
    for (what, body) in [("end", &end), ("start", &start), ("start", &start)] {
        face.took(what, body).await;
    }
    let whole = "public.flowstate where status = 'Completed' and executiontime = '1000.000'
        and flowoutput is not null and flowinput is not null";
    assert_eq!(face.rows(whole).await, 1);
    face.end().await;
}

#[tokio::test]
async fn step_without_changes() {
    let mut face = Face::empty().await;
    for (number, changes) in [(0, "{}"), (1, "null")] {
        face.took("steps", &step(number, changes)).await;
    }
    assert_eq!(face.rows("public.steps").await, 2);
    face.end().await;
}

#[tokio::test]
async fn snapshots_are_checked() {
    let mut face = Face::empty().await;
    let good =
        r#"{"id":"i","flowURI":"res://flow:f","status":100,"tasks":[{"id":"t","status":20}]}"#;
    face.took("snapshot", good).await;
    let (status, body) = face.post("snapshot", r#"{"id":"i","status":"100"}"#).await;
    assert_eq!(status, 400);
    assert!(
        body.contains("unable to unmarshal snapshot json") && body.contains("status"),
        "{body}"
    );
    face.end().await;
}

#[tokio::test]
async fn step_sent_again() {
    let mut face = Face::empty().await;
    face.took("steps", &step(3, &change("old", "f", 40))).await;
    let again = step(3, &change("new", "g", 100))
        .replace(r#""rerun":false"#, r#""rerun":true"#)
        .replace(FIRST, LATER);
    face.took("steps", &again).await;
    let new = "public.steps where stepid = '3' and taskname = 'new' and flowname = 'g' and status = 'Failed' and rerun";
    assert_eq!(face.rows(new).await, 1);
    assert_eq!(face.rows("public.steps").await, 1);
    face.end().await;
}

#[tokio::test]
async fn reruns_are_counted_once() {
    let mut face = Face::empty().await;
    face.took("start", &state("i", "Created", FIRST, FIRST, ""))
        .await;
    face.sql("update public.flowstate set reruncount = null")
        .await;
    for _ in 0..3 {
        face.took("start", &state("again", "Created", LATER, LATER, "i"))
            .await;
    }
    assert_eq!(face.json("/v1/instances/i/details").await["rerunCount"], 1);
    assert_eq!(
        face.json("/v1/instances/again/details").await["originalInstanceId"],
        "i"
    );
    assert_eq!(
        face.json(&format!("{ORDERS}&flowinstanceid=i")).await["Count"],
        2
    );
    face.end().await;
}

#[tokio::test]
async fn offsets_count() {
    let mut face = Face::empty().await;
    let india = "2026-01-01T05:30:00+05:30";
    face.took("start", &state("i", "Created", india, india, ""))
        .await;
    assert_eq!(
        face.rows("public.flowstate where starttime = '2026-01-01 00:00:00'")
            .await,
        1
    );
    face.end().await;
}

#[tokio::test]
async fn what_cannot_be_stored() {
    let mut face = Face::empty().await;
    for (what, body, field) in [
        (
            "start",
            state("a\0b", "Created", FIRST, FIRST, ""),
            "flow_instance_id",
        ),
        (
            "start",
            state("", "Created", FIRST, FIRST, ""),
            "flow_instance_id",
        ),
        (
            "end",
            state(&"x".repeat(513), "Failed", FIRST, LATER, ""),
            "flow_instance_id",
        ),
        ("steps", step(0, "{}").replace(r#""i""#, r#""""#), "flowId"),
        (
            "steps",
            step(0, "{}").replace(r#""id":0"#, r#""id":-1"#),
            "id",
        ),
    ] {
        let (status, body) = face.post(what, &body).await;
        assert_eq!(status, 400, "{what}: {body}");
        assert!(body.contains(field), "{what}: {body}");
    }
    assert_eq!(
        face.rows("public.flowstate").await + face.rows("public.steps").await,
        0
    );
    face.end().await;
}

#[tokio::test]
async fn deletion_deletes() {
    let mut face = Face::empty().await;
    face.took("start", &state("i", "Created", FIRST, FIRST, ""))
        .await;
    face.took("steps", &step(0, &change("t", "f", 40))).await;
    let path = "/v1/instances/i";
    assert_eq!(face.rest.request("DELETE", path, &[], b"").await.0, 200);
    assert_eq!(
        face.rows("public.flowstate").await + face.rows("public.steps").await,
        0
    );
    assert_eq!(face.rest.request("DELETE", path, &[], b"").await.0, 404);
    face.end().await;
}

#[tokio::test]
async fn deletion_of_steps() {
    let mut face = Face::empty().await;
    face.took("start", &state("i", "Created", FIRST, FIRST, ""))
        .await;
    for number in 0..4 {
        face.took("steps", &step(number, &change("t", "f", 40)))
            .await;
    }
    let (status, _, body) = face
        .rest
        .request("DELETE", "/v1/instances/i/step/abc", &[], b"")
        .await;
    assert_eq!(status, 400);
    assert!(body.contains("invalid stepId: abc"), "{body}");
    for _ in 0..2 {
        let answer = face
            .rest
            .request("DELETE", "/v1/instances/i/step/2", &[], b"")
            .await;
        assert_eq!((answer.0, &*answer.2), (200, ""));
    }
    assert_eq!(face.rows("public.steps").await, 2);
    // of the attempt before nothing is lost
    assert_eq!(face.rows("flowtrail.past_steps").await, 2);
    face.end().await;
}

#[tokio::test]
async fn toggles_are_enforced() {
    let mut face = Face::empty().await;
    let user = [("username", "flogo")];
    let off = face
        .rest
        .request("DELETE", "/v1/app/state/orders", &user, b"")
        .await;
    assert_eq!(off.0, 200);
    face.took("start", &state("i", "Created", FIRST, FIRST, ""))
        .await;
    face.took("steps", &step(0, &change("t", "f", 40))).await;
    assert_eq!(
        face.rows("public.flowstate").await + face.rows("public.steps").await,
        0
    );
    face.end().await;
}
