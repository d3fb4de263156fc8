//! One test for each row of "What differs" in `docs/flow-state.md`, under the row's name.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{Face, ORDERS, content, instance, json as parsed, row};
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

/// Instances `i1` to `iN`, each a second later than the one before.
async fn instances(face: &Face, count: u32) {
    face.sql(&format!(
        "insert into public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, status)
         select 'i' || n, 'flogo', 'orders', '1.2.0', 'f', 'vm', timestamp '2026-01-01' + n * interval '1 s', 'Completed'
         from generate_series(1, {count}) n"
    ))
    .await;
}

fn ids(list: &Value) -> Vec<&str> {
    let flows = list["FlowData"].as_array().map_or(&[][..], Vec::as_slice);
    flows
        .iter()
        .map(|flow| flow["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test]
async fn limit_alone() {
    let mut face = Face::empty().await;
    instances(&face, 5).await;
    let first = face.json(&format!("{ORDERS}&limit=2")).await;
    assert_eq!(
        (ids(&first), &first["Count"]),
        (vec!["i5", "i4"], &json!(5))
    );
    let rest = face.json(&format!("{ORDERS}&offset=3")).await;
    assert_eq!((ids(&rest), &rest["Count"]), (vec!["i2", "i1"], &json!(5)));
    let behind = face.get(&format!("{ORDERS}&offset=5&limit=2")).await.2;
    assert_eq!(behind, "{\"Count\":0,\"FlowData\":null}\n");
    face.end().await;
}

#[tokio::test]
async fn page_is_bounded() {
    let mut face = Face::empty().await;
    instances(&face, 1_001).await;
    assert_eq!(ids(&face.json(ORDERS).await).len(), 1_000);
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&limit=1000&offset=1")).await).len(),
        1_000
    );
    assert_eq!(face.get(&format!("{ORDERS}&limit=1001")).await.0, 400);
    face.end().await;
}

#[tokio::test]
async fn count_is_bounded() {
    let mut face = Face::empty().await;
    instances(&face, 10_005).await;
    assert_eq!(
        face.json(&format!("{ORDERS}&limit=1")).await["Count"],
        10_000
    );
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&limit=5&offset=10003")).await),
        ["i2", "i1"]
    );
    face.end().await;
}

#[tokio::test]
async fn equal_times_have_an_order() {
    let mut face = Face::empty().await;
    for id in ["b", "d", "a", "c"] {
        face.sql(&instance(id, 1, "Completed")).await;
    }
    let mut pages = Vec::new();
    for offset in 0..4 {
        let page = face
            .json(&format!("{ORDERS}&limit=1&offset={offset}"))
            .await;
        pages.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(pages, ["d", "c", "b", "a"]);
    face.end().await;
}

#[tokio::test]
async fn wrong_parameters() {
    let mut face = Face::empty().await;
    for (parameter, value) in [
        ("status", "completed"),
        ("limit", "ten"),
        ("offset", "-1"),
        ("interval", "soon"),
    ] {
        let (status, _, body) = face.get(&format!("{ORDERS}&{parameter}={value}")).await;
        assert_eq!(status, 400, "{parameter}");
        assert!(body.starts_with(parameter), "{body}");
    }
    face.end().await;
}

#[tokio::test]
async fn interval_in_utc() {
    let mut face = Face::empty().await;
    let name = face.database.name.clone();
    face.sql(&format!(
        "alter database {name} set timezone = 'Asia/Tokyo'"
    ))
    .await;
    for (id, minutes) in [("now", 30), ("before", 90)] {
        face.sql(&instance(id, 1, "Completed")).await;
        face.sql(&format!(
            "update public.flowstate set starttime = now() at time zone 'UTC' - {minutes} * interval '1 min'
             where flowinstanceid = '{id}'"
        ))
        .await;
    }
    let hour = face.json(&format!("{ORDERS}&interval=1%20hour")).await;
    assert_eq!(ids(&hour), ["now"]);
    assert_eq!(
        ids(&face.json(&format!("{ORDERS}&interval=2%20hours")).await),
        ["now", "before"]
    );
    face.end().await;
}

#[tokio::test]
async fn values_are_values() {
    let mut face = Face::empty().await;
    let quoted = format!("/v1/instances?app={}&version=1.2.0", "o'x");
    assert_eq!(
        face.get(&quoted).await.2,
        "{\"Count\":0,\"FlowData\":null}\n"
    );
    face.end().await;
}

#[tokio::test]
async fn tenants_apart() {
    let mut face = Face::recorded().await;
    let id = "c30c853e25cfcefe2d2d4994eaa3b28a";
    for rest in [
        "details",
        "status",
        "attempts",
        "rerun",
        "steps",
        "steps/tasks",
        "steps/status",
        "step/1/taskdata",
        "snapshot",
        "snapshot/1",
        "failedtask",
    ] {
        let path = format!("/v1/instances/{id}/{rest}");
        let (status, _, body) = face.get_as(Some("other"), &path).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(
            parsed(&body)["message"],
            format!("instance {id} is not stored")
        );
        assert_eq!(face.get_as(Some("flogo"), &path).await.0, 200, "{path}");
        let anybody = if rest == "details" { 401 } else { 200 };
        assert_eq!(face.get_as(None, &path).await.0, anybody, "{path}");
    }
    face.end().await;
}

#[tokio::test]
async fn names_in_order() {
    let mut face = Face::recorded().await;
    let flows = face.json("/v1/flows?app=orders&version=1.2.0").await;
    assert_eq!(
        flows,
        json!(["branchy", "fails", "handled", "order", "parallel"])
    );
    face.end().await;
}

/// A part is never taken for the whole: the connection ends without the end of the body.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_breaks_off() {
    let face = Face::with(&["--statement-timeout", "1s"]).await;
    face.sql(
        "insert into public.steps (flowinstanceid, stepid, stepdata)
         select 'i', n::text, convert_to('{\"id\":' || n || ',\"x\":\"' || repeat('x', 8 << 20) || '\"}', 'UTF8')
         from generate_series(0, 9) n",
    )
    .await;
    let mut socket = TcpStream::connect(face.service.local_addr()).await.unwrap();
    let request = b"GET /v1/instances/i/steps HTTP/1.1\r\nhost: x\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut begin = [0; 1 << 10];
    socket.read_exact(&mut begin).await.unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let lock = face.database.client().await;
    lock.batch_execute("begin; lock table public.steps in access exclusive mode")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let end = timeout(Duration::from_secs(30), socket.read_to_end(&mut rest)).await;
    // either way of closing will do
    let _ = end.expect("the connection ends");
    assert!(rest.len() < 80 << 20, "{} bytes came", rest.len());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the body seems whole");
    drop(lock);
    face.end().await;
}

#[tokio::test]
async fn slow_questions() {
    let mut face = Face::with(&["--statement-timeout", "1s"]).await;
    let lock = face.database.client().await;
    let hold = "begin; lock table public.flowstate in access exclusive mode";
    lock.batch_execute(hold).await.unwrap();
    for path in [ORDERS, "/v1/instances/i/details"] {
        let said = face.refused(504, path).await;
        assert!(said.contains("narrow"), "{path}: {said}");
    }
    drop(lock);
    face.end().await;
}

#[tokio::test]
async fn refused_statements() {
    let mut face = Face::empty().await;
    let rename = |from: &str, to: &str| {
        format!(
            "alter view flowtrail.instances rename column {from} to {to}; alter view flowtrail.numbered_attempts rename column {from} to {to}"
        )
    };
    face.sql(&rename("shown_host", "other")).await;
    for path in [ORDERS, "/v1/instances/i/details"] {
        let said = face.refused(500, path).await;
        assert!(
            said.contains("log") && !said.contains("shown_host"),
            "{path}: {said}"
        );
    }
    face.sql(&rename("other", "shown_host")).await;
    face.end().await;
}
