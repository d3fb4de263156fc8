use std::collections::BTreeMap;

use super::*;

/// The derived columns of a step with these changes: task, status, flow, subflow.
fn check(changes: &str, expected: [&str; 4]) {
    let body = format!(r#"{{"id":1,"flowId":"i","flowChanges":{changes}}}"#);
    let step = Step::parse(&body).expect(changes);
    assert_eq!(
        [
            &*step.task_name,
            step.status,
            &*step.flow_name,
            &*step.subflow_id
        ],
        expected,
        "{changes}"
    );
}

#[test]
fn one_change_gives_the_task_that_counts() {
    check(
        r#"{"0":{"newFlow":true,"flowURI":"res://flow:a:b","taskId":"t","tasks":{"t":{"status":20}}}}"#,
        ["t", "Started", "b", "0"],
    );
    check(
        r#"{"0":{"newFlow":true,"flowURI":"f","taskId":"t","tasks":{"u":{"status":100}}}}"#,
        ["u", "Failed", "f", "0"],
    );
    check(
        r#"{"3":{"taskId":"t","flowURI":":","tasks":{"t":{"status":40},"next":{"status":20}}}}"#,
        ["t", "Completed", "", "3"],
    );
    check(
        r#"{"0":{"taskId":"t","tasks":{"t":{"status":110}}}}"#,
        ["t", "", "", "0"],
    );
    check(r#"{"0":{"taskId":"t","tasks":null}}"#, ["t", "", "", "0"]);
    check(
        r#"{"0":{"taskId":"t","tasks":{"t":{"status":40},"t":{"status":20}}}}"#,
        ["t", "", "", "0"],
    );
}

#[test]
fn of_several_tasks_that_count_the_own_one_is_taken_else_the_smallest() {
    check(
        r#"{"0":{"taskId":"m","tasks":{"z":{"status":40},"m":{"status":30},"a":{"status":100}}}}"#,
        ["m", "Waiting", "", "0"],
    );
    check(
        r#"{"0":{"taskId":"m","tasks":{"z":{"status":40},"m":{"status":20},"b":{"status":100}}}}"#,
        ["b", "Failed", "", "0"],
    );
}

#[test]
fn two_changes_are_a_call_or_the_subflow() {
    let parent = r#""0":{"taskId":"call","flowURI":"r:main","tasks":{"call":{"status":30}}}"#;
    check(
        &format!(r#"{{"1":{{"newFlow":true,"taskId":"calc"}},{parent}}}"#),
        ["call", "Waiting", "main", "0"],
    );
    check(
        &format!(
            r#"{{{parent},"10":{{"taskId":"ten"}},"2":{{"taskId":"two","flowURI":"r:sub"}}}}"#
        ),
        ["two", "", "sub", "2"],
    );
}

#[test]
fn a_step_without_flow_changes_is_about_the_task_it_queues() {
    let check = |rest: &str, task: &str| {
        let body = format!(r#"{{"id":4,"flowId":"i"{rest}}}"#);
        let step = Step::parse(&body).expect(rest);
        assert_eq!(
            [
                &*step.task_name,
                step.status,
                &*step.flow_name,
                &*step.subflow_id
            ],
            [task, "", "", "0"],
            "{rest}"
        );
    };
    check("", "");
    check(r#","flowChanges":null"#, "");
    check(
        r#","flowChanges":{},"queueChanges":{"7":{"change":0,"taskId":"next"}}"#,
        "next",
    );
    check(
        r#","flowChanges":{},"queueChanges":{"7":{"taskId":"a"},"8":{"taskId":"b"}}"#,
        "",
    );
}

#[test]
fn fields_are_found_in_any_order_and_case_the_last_that_says_something_counts() {
    let usual = Step::parse(r#"{"id":1,"flowId":"i","starttime":"2026-11-20T19:57:51Z"}"#);
    let usual = usual.expect("a step");
    for body in [
        r#"{"starttime":"2026-11-20T19:57:51Z","flowId":"i","id":1}"#,
        r#"{"ID":1,"flowid":"i","STARTTIME":"2026-11-20T19:57:51Z"}"#,
        r#"{"id":7,"flowId":"no","flowId":"i","id":1,"id":null,"starttime":"2026-11-20T19:57:51Z"}"#,
        r#"{"x":[1],"\u0069d":1,"id ":2,"flow\u0049d":"i","starttime":"2026-11-20T19:57:51Z","":0}"#,
    ] {
        assert_eq!(Step::parse(body).as_ref(), Ok(&usual), "{body}");
    }
    let error = Step::parse(r#"{"id":1,"\ud800":2}"#).expect_err("a key that is no text");
    assert!(error.to_string().starts_with("not JSON: "), "{error}");
}

#[test]
fn what_go_refuses_or_crashes_on_is_named() {
    let check = |body: &str, expected: &str| {
        let error = Step::parse(body).expect_err(body).to_string();
        assert!(error.starts_with(expected), "{body}: {error}");
    };
    check(r#"{"flowChanges":{"0":null}}"#, "flowChanges.0: is null");
    check(
        r#"{"flowChanges":{"0":{"tasks":{"t":null}}}}"#,
        "flowChanges.0.tasks.t: is null",
    );
    check(r#"{"flowChanges":{"x":{}}}"#, "flowChanges.x: the key");
    check(r#"{"flowChanges":[]}"#, "flowChanges: has to be an object");
    check(
        r#"{"flowChanges":{"0":{"newFlow":1}}}"#,
        "flowChanges.0.newFlow: has to be true",
    );
    check(
        r#"{"flowChanges":{"0":{"attrs":"x"}}}"#,
        "flowChanges.0.attrs: has to be an object",
    );
    check(
        r#"{"flowChanges":{"0":{"links":{"0":{"from":1}}}}}"#,
        "flowChanges.0.links.0.from: has",
    );
    check(
        r#"{"queueChanges":{"0":{"taskId":1}}}"#,
        "queueChanges.0.taskId: has to be a text",
    );
    check(r#"{"id":1.5}"#, "id: has to be a whole number");
    check(r#"{"id":2147483648}"#, "id: has to be 0 to");
    check(r#"{"starttime":5}"#, "starttime: has to be a time");
    check(r#"{"rerun":"true"}"#, "rerun: has to be true or false");
}

#[test]
fn recorded_steps_give_the_rows_of_the_incumbent() {
    #[derive(serde::Deserialize)]
    struct Request {
        path: String,
        body: String,
    }

    let mut rows: BTreeMap<(String, String), serde_json::Value> =
        include_str!("../../../../tests/fixtures/rows.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a row"))
            .filter(|row| row["table"] == "steps")
            .map(|row| {
                let text = |column: &str| row[column].as_str().expect("a text").to_owned();
                ((text("flowinstanceid"), text("stepid")), row)
            })
            .collect();
    assert_eq!(rows.len(), 29);
    for line in include_str!("../../../../demo/recorder-traffic.jsonl").lines() {
        let request: Request = serde_json::from_str(line).expect("a request");
        if request.path != "/v1/instances/steps" {
            continue;
        }
        let step = Step::parse(&request.body).expect("a step");
        let key = (step.instance_id.to_string(), step.step_id.to_string());
        let row = rows.remove(&key).expect("a row of this step");
        let expected = serde_json::json!({
            "table": "steps", "flowinstanceid": step.instance_id, "stepid": key.1,
            "taskname": step.task_name, "status": step.status,
            "starttime": stored(step.start_time), "endtime": stored(step.end_time),
            "stepdata": request.body, "flowname": step.flow_name, "subflowid": step.subflow_id,
            "misc": null, "rerun": step.rerun, "parentstepid": null,
        });
        assert_eq!(expected, row);
    }
    assert!(rows.is_empty(), "no step for {rows:?}");
}

/// As PostgreSQL stores and prints a `timestamp`: microseconds, ties to even.
fn stored(time: Time) -> String {
    let (whole, rest) = (time.nanos / 1_000, time.nanos % 1_000);
    let up = rest > 500 || (rest == 500 && whole % 2 == 1);
    let timestamp = jiff::Timestamp::new(time.seconds, (whole + i32::from(up)) * 1_000);
    let printed = timestamp.expect("a time").to_string();
    printed.trim_end_matches('Z').to_owned()
}
