//! The commands that ask about past instances, against a real server with a real engine's traffic.

mod engine;
mod load;
mod rerun;
mod spool;
mod tail;

use flowtrail::app::Running;
use serde_json::{Value, json};

use crate::support::{self, Run, Stream, TestDatabase, end, hello, start, step};

/// The instances of `demo/recorder-traffic.jsonl`, of app `orders`.
const COMPLETED: &str = "c30c853e25cfcefe2d2d4994eaa3b28a";
const FAILED: &str = "c00c853e25cfcefe2d2d4994eaa3b28a";

/// A server that has stored the traffic.
struct Served {
    _database: TestDatabase,
    running: Running,
    url: String,
}

impl Served {
    async fn new() -> Self {
        let database = support::database().await;
        let running = support::serve(&database.url, &[]).await;
        let url = format!("http://{}", running.local_addr());
        let served = Self {
            _database: database,
            running,
            url,
        };
        let traffic = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/recorder-traffic.jsonl");
        served.run(&["record", traffic]).end().await.done();
        served
    }

    /// A command that talks to this server.
    fn run(&self, words: &[&str]) -> Run {
        Run::new(&[words, &["--server", &self.url]].concat())
    }

    /// What a command prints.
    async fn out(&self, words: &[&str]) -> String {
        self.run(words).end().await.done()
    }

    /// What it prints with `--output json`.
    async fn json(&self, words: &[&str]) -> Value {
        let out = self.out(&[words, &["--output", "json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Records instances of app `many`, the first of which starts at `from`.
    async fn many(&self, number: i64, from: i64) {
        let (mut stream, _) = Stream::greet(self.running.local_addr(), hello("many")).await;
        for chunk in 0..number / 100 {
            let ids = (0..100).map(|n| chunk * 100 + n);
            stream
                .chunk(ids.map(|n| start(&format!("many-{n:05}"), from + n)))
                .await;
        }
        stream.finish().await;
    }
}

/// The values of `key` in a list.
fn each<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    let rows = list.as_array().expect("a list");
    rows.iter()
        .map(|row| row[key].as_str().expect("a text"))
        .collect()
}

#[tokio::test]
async fn instances_are_listed_newest_first_and_by_every_filter() {
    let served = Served::new().await;
    let flows = async |words: &[&str]| {
        let list = served.json(&[&["instances", "list"], words].concat()).await;
        each(&list, "flow").join(" ")
    };
    let all = "parallel branchy handled fails order";
    assert_eq!(flows(&[]).await, all);
    assert_eq!(
        flows(&[
            "--user",
            "flogo",
            "--app",
            "orders",
            "--app-version",
            "1.2.0",
            "--host",
            "vm"
        ])
        .await,
        all
    );
    for nothing in [
        ["--user", "acme"],
        ["--app", "parcels"],
        ["--app-version", "9"],
        ["--host", "x"],
    ] {
        assert_eq!(flows(&nothing).await, "", "{nothing:?}");
    }
    assert_eq!(flows(&["--flow", "order"]).await, "order");
    assert_eq!(flows(&["--status", "failed"]).await, "fails");
    assert_eq!(flows(&["--status", "Failed,Completed"]).await, all);
    assert_eq!(
        flows(&["--status", "Failed", "--status", "Created"]).await,
        "fails"
    );
    assert_eq!(
        flows(&["--since", "2026-11-20T20:00:36.74Z"]).await,
        "parallel branchy"
    );
    assert_eq!(
        flows(&["--until", "2026-11-20T20:00:36.73Z"]).await,
        "fails order"
    );
    assert_eq!(flows(&["--until", "2026-11-20"]).await, "");
    assert_eq!(flows(&["--min-duration", "20ms"]).await, "order");
    assert_eq!(flows(&["--max-duration", "8ms"]).await, "fails");
    assert_eq!(flows(&["--rerun-of", FAILED]).await, "");
    assert_eq!(flows(&["--limit", "2"]).await, "parallel branchy");

    let list = served
        .json(&["instances", "list", "--status", "Failed"])
        .await;
    assert_eq!(
        list,
        json!([{
            "id": FAILED, "user": "flogo", "app": "orders", "version": "1.2.0", "flow": "fails",
            "host": "vm", "status": "Failed", "started": "2026-11-20T20:00:36.723739Z",
            "ended": "2026-11-20T20:00:36.730439Z", "milliseconds": 6.7, "rerun_of": null,
            "reruns": 0, "parent": null, "parent_flow": null
        }])
    );
    let table = served
        .out(&["instances", "list", "--status", "Failed"])
        .await;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["ID", "APP", "FLOW", "STATUS", "STARTED", "TOOK", "HOST"],
            vec![
                FAILED,
                "orders",
                "fails",
                "Failed",
                "2026-11-20",
                "20:00:36.723",
                "6.7ms",
                "vm"
            ],
        ]
    );
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_without_losing_a_row() {
    let served = Served::new().await;
    served.many(2_500, 1_000).await;
    let list = served
        .json(&["instances", "list", "--app", "many", "--limit", "2300"])
        .await;
    let expected: Vec<String> = (200..2_500).rev().map(|n| format!("many-{n:05}")).collect();
    assert_eq!(each(&list, "id"), expected);
    let cut = served
        .run(&["instances", "list", "--app", "many", "--limit", "3"])
        .end()
        .await;
    assert!(cut.err.contains("raise --limit"), "{}", cut.err);
    assert_eq!(cut.done().lines().count(), 4);
    let whole = served
        .run(&["instances", "list", "--app", "many", "--limit", "2500"])
        .end()
        .await;
    assert_eq!(whole.err, "");
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_instance_is_shown_with_what_is_missing_and_its_payloads() {
    let served = Served::new().await;
    let shown = served.json(&["instances", "show", COMPLETED]).await;
    assert_eq!(shown["instance"]["flow"], "order");
    assert_eq!(
        (&shown["attempt"], &shown["steps"]),
        (&json!(1), &json!(10))
    );
    assert_eq!(
        shown["missing"],
        json!({"start": false, "steps": [], "last_steps": false})
    );
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        shown["lineage"],
        json!({"originals": [], "original_missing": false, "reruns": []})
    );
    assert_eq!(shown["output"]["result"], "ok");
    let text = served.out(&["instances", "show", COMPLETED]).await;
    assert!(text.contains("flow        order"), "{text}");
    assert!(text.contains("\"result\": \"ok\""), "{text}");

    let (mut stream, _) = Stream::greet(served.running.local_addr(), hello("gaps")).await;
    stream
        .chunk([
            step("gaps", 1),
            step("gaps", 4),
            end("gaps", Some(1_000), 1_010),
        ])
        .await;
    stream.finish().await;
    let shown = served.json(&["instances", "show", "gaps"]).await;
    assert_eq!(shown["missing"]["start"], true);
    let ranges = json!([{"from": 0, "to": 0}, {"from": 2, "to": 3}]);
    assert_eq!(shown["missing"]["steps"], ranges);
    let text = served.out(&["instances", "show", "gaps"]).await;
    assert!(text.contains("its start, step 0, steps 2 to 3"), "{text}");

    let (mut stream, _) = Stream::greet(served.running.local_addr(), hello("large")).await;
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    stream
        .chunk([flowtrail::proto::event::Kind::Started(
            flowtrail::proto::FlowStarted {
                instance_id: "large".into(),
                start_time: support::time(1_000),
                flow_input: Some(large.clone().into()),
                ..Default::default()
            },
        )])
        .await;
    stream.finish().await;
    let text = served.out(&["instances", "show", "large"]).await;
    assert!(
        text.contains("Input: 100011 bytes; --payloads shows it"),
        "{text}"
    );
    let shown = served.json(&["instances", "show", "large"]).await;
    assert_eq!(
        (&shown["input"], &shown["input_bytes"]),
        (&Value::Null, &json!(100_011))
    );
    let shown = served
        .json(&["instances", "show", "large", "--payloads"])
        .await;
    assert_eq!(shown["input"].to_string(), large);
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn steps_their_data_and_snapshots_are_printed_as_they_were_recorded() {
    let served = Served::new().await;
    let steps = served.json(&["steps", FAILED]).await;
    assert_eq!(steps[2]["step"], 2);
    assert_eq!(steps[2]["status"], "Failed");
    let table = served.out(&["steps", FAILED]).await;
    assert_eq!(table.lines().count(), 4, "{table}");

    let data = served.out(&["step", FAILED, "1"]).await;
    assert!(data.starts_with("{\n  \""), "{data}");
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&data["flowId"], &data["id"]), (&json!(FAILED), &json!(1)));

    let last = served.out(&["snapshot", COMPLETED]).await;
    let state: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(state["flowURI"], "res://flow:order");
    assert_eq!(served.out(&["snapshot", COMPLETED, "9"]).await, last);
    assert_ne!(
        served
            .out(&["snapshot", COMPLETED, "3", "--attempt", "1"])
            .await,
        last
    );

    let (mut stream, _) = Stream::greet(served.running.local_addr(), hello("odd")).await;
    let mut odd = step("odd", 0);
    if let flowtrail::proto::event::Kind::Step(step) = &mut odd {
        step.step_data = Some("not { JSON".into());
    }
    stream.chunk([odd]).await;
    stream.finish().await;
    assert_eq!(served.out(&["step", "odd", "0"]).await, "not { JSON\n");
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn an_instance_is_deleted_only_when_somebody_says_yes() {
    let served = Served::new().await;
    let asked = served.run(&["instances", "delete", FAILED]).end().await;
    asked.failed(2, &["give --yes"]);
    assert_eq!(
        served
            .json(&["instances", "list"])
            .await
            .as_array()
            .map(Vec::len),
        Some(5)
    );
    let deleted = served.json(&["instances", "delete", FAILED, "--yes"]).await;
    assert_eq!(
        deleted,
        json!([{"instance": FAILED, "attempts": 1, "steps": 3}])
    );
    let gone = served.run(&["instances", "show", FAILED]).end().await;
    gone.failed(1, &[FAILED, "not stored"]);
    let again = served
        .run(&["instances", "delete", FAILED, "--yes"])
        .end()
        .await;
    again.failed(1, &[FAILED]);
    served.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_one_line() {
    let served = Served::new().await;
    for (words, status, part) in [
        (&["instances", "show", "nowhere"][..], 1, "nowhere"),
        (
            &["instances", "show", FAILED, "--attempt", "7"],
            1,
            "attempt 7",
        ),
        (&["steps", "nowhere"], 1, "nowhere"),
        (&["step", FAILED, "77"], 1, "77"),
        (&["snapshot", "nowhere"], 1, "nowhere"),
        (
            &["instances", "list", "--status", "Sleeping"],
            1,
            "Sleeping",
        ),
        (
            &["instances", "list", "--since", "1h", "--until", "2h"],
            1,
            "started_",
        ),
    ] {
        served.run(words).end().await.failed(status, &[part]);
    }
    for words in [
        &["instances", "list", "--since", "yesterday"][..],
        &["instances", "list", "--limit", "0"],
        &["instances", "show"],
        &["instances", "show", FAILED, "--attempt", "0"],
        &["steps", FAILED, "--output", "xml"],
        &["step", FAILED],
        &["step", FAILED, "first"],
        &["snapshot", FAILED, "-1"],
        &["tail", "--min-duration", "5"],
        &["rerun", FAILED],
        &["rerun", FAILED, "--dry-run", "--from-step", "0"],
    ] {
        let ended = served.run(words).end().await;
        assert_eq!(ended.status, Some(2), "{words:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{words:?}");
    }
    served.running.stop().await.unwrap();
}
