//! `flowtrail rerun`.

use serde_json::{Value, json};

use super::{COMPLETED, FAILED, Served, engine::Engine};
use crate::support::{Stream, end, hello, start, step};

const TOLD: &str = "{\"id\":\"a-new-one\"}\n";

#[tokio::test]
async fn the_whole_flow_begins_with_the_recorded_inputs() {
    let served = Served::new().await;
    let engine = Engine::answering(200, TOLD).await;
    let shown = served.json(&["instances", "show", FAILED]).await;

    let words = ["rerun", FAILED, "--engine", &engine.url, "--yes"];
    let report = served.json(&words).await;
    assert_eq!(report["instance_id"], "a-new-one");
    assert_eq!(report["plan"]["flow_uri"], "res://flow:fails");
    assert_eq!(report["plan"]["from_step"], Value::Null);
    assert_eq!(report["plan"]["missing"], json!([]));
    let asked = engine.asked();
    let [(path, _, body)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(path, "/flow/start");
    assert_eq!(
        *body,
        json!({"flowUri": "res://flow:fails", "data": shown["input"]})
    );

    let ended = served.run(&words).end().await;
    assert!(
        ended.err.contains("flowtrail instances show a-new-one"),
        "{}",
        ended.err
    );
    let out = ended.done();
    assert!(out.contains("new instance a-new-one"), "{out}");
    assert!(out.contains("res://flow:fails from its beginning"), "{out}");
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_part_goes_on_from_the_state_before_it() {
    let served = Served::new().await;
    let engine = Engine::answering(200, TOLD).await;
    let state = served.out(&["snapshot", COMPLETED, "0"]).await;
    let state: Value = serde_json::from_str(&state).unwrap();

    // a number that no float holds must arrive as it was written
    let run = served.run(&[
        "rerun",
        COMPLETED,
        "--from-step",
        "1",
        "--engine",
        &engine.url,
        "--yes",
        "--input",
        "changed.json",
    ]);
    let changed = r#"{"amount": 12345678901234567890.10}"#;
    std::fs::write(run.directory().join("changed.json"), changed).unwrap();
    let out = run.end().await.done();
    assert!(out.contains("res://flow:order from step 1 on"), "{out}");
    assert!(out.contains("From --input: amount"), "{out}");
    let asked = engine.asked();
    let [(path, text, body)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(path, "/flow/restart");
    assert_eq!(body["initialState"], state);
    assert!(
        text.contains(r#""data":{"amount":12345678901234567890.10}"#),
        "{text}"
    );
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_runs_before_somebody_says_yes() {
    let served = Served::new().await;
    let engine = Engine::answering(200, TOLD).await;
    let asked = served
        .run(&["rerun", FAILED, "--engine", &engine.url])
        .end()
        .await;
    assert!(
        asked.out.contains("res://flow:fails"),
        "the plan is shown: {}",
        asked.out
    );
    asked.failed(2, &["give --yes"]);
    let dry = served
        .json(&["rerun", FAILED, "--dry-run", "--engine", &engine.url])
        .await;
    assert_eq!(dry["instance_id"], Value::Null);
    assert_eq!(engine.asked(), []);
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_missing_is_said_and_input_can_stand_in() {
    let served = Served::new().await;
    let engine = Engine::answering(200, TOLD).await;
    let (mut stream, _) = Stream::greet(served.running.local_addr(), hello("orders")).await;
    let mut ended = end("bare", Some(1_000), 1_010);
    if let flowtrail::proto::event::Kind::Ended(ended) = &mut ended {
        ended.flow_name = Some("order".into());
    }
    stream
        .chunk([start("nothing", 1_000), step("nothing", 0), ended])
        .await;
    stream.finish().await;

    let to = ["--engine", &engine.url, "--yes"];
    for id in ["nothing", "bare"] {
        let words = [&["rerun", id], &to[..]].concat();
        let ended = served.run(&words).end().await;
        assert!(ended.out.contains("Missing: no input"), "{}", ended.out);
        ended.failed(1, &["cannot be rerun", "no input of the flow is stored"]);
    }
    let gap = [&["rerun", COMPLETED, "--from-step", "99"], &to[..]].concat();
    served
        .run(&gap)
        .end()
        .await
        .failed(1, &["cannot be rerun", "step"]);
    assert_eq!(engine.asked(), []);

    for (id, status) in [("bare", Some(0)), ("nothing", Some(1))] {
        let run = served.run(&[&["rerun", id, "--input", "in.json"], &to[..]].concat());
        std::fs::write(run.directory().join("in.json"), r#"{"amount": 3}"#).unwrap();
        let ended = run.end().await;
        assert_eq!(ended.status, status, "{id}: {}", ended.err);
    }
    let asked = engine.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].2,
        json!({"flowUri": "res://flow:order", "data": {"amount": 3}})
    );
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_fails_is_one_line_with_its_remedy() {
    let served = Served::new().await;
    let rerun = async |url: &str, more: &[&str]| {
        let words = [
            &[
                "rerun", FAILED, "--engine", url, "--yes", "--output", "json",
            ],
            more,
        ]
        .concat();
        served.run(&words).end().await
    };
    let engine = Engine::answering(400, "flow not found for URI: res://flow:fails\n").await;
    rerun(&engine.url, &[])
        .await
        .failed(1, &["400", "flow not found", "does not have this flow"]);
    let engine = Engine::answering(500, "").await;
    rerun(&engine.url, &[])
        .await
        .failed(1, &["500", "engine's log"]);
    rerun(&format!("{}/other", engine.url), &[])
        .await
        .failed(1, &["404", "tester service"]);
    rerun("http://127.0.0.1:1", &[])
        .await
        .failed(1, &["nobody listens", "tester service"]);
    rerun("http://nowhere.invalid", &[])
        .await
        .failed(1, &["nowhere.invalid", "--engine"]);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    rerun(&url, &["--timeout", "300ms"])
        .await
        .failed(1, &["300ms", "may be running"]);
    for wrong in ["localhost:8080", "ftp://engine", ""] {
        rerun(wrong, &[])
            .await
            .failed(2, &["--engine", "http://host:8080"]);
    }
    rerun("http://127.0.0.1:1", &["--input", "nowhere.json"])
        .await
        .failed(2, &["nowhere.json"]);

    // The flow has an output of its own: the engine tells that in place of the id.
    let engine = Engine::answering(200, "").await;
    let ended = rerun(&engine.url, &[]).await;
    let report: Value = serde_json::from_str(&ended.done()).unwrap();
    assert_eq!(report["instance_id"], Value::Null);
    served.running.stop().await.unwrap();
}
