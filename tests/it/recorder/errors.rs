//! Requests that are wrong.

use flowtrail::app::Running;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{END, SNAPSHOT, START, STEPS, end, post, refused, start, step};
use crate::support::{self, Rest, count};

const NOTHING: &str = "select (select count(*) from steps) + (select count(*) from flowstate)
    + (select count(*) from flowtrail.attempts)";

/// Status and message of an error in JSON.
fn error(answer: &support::Answer) -> (u16, String) {
    let (status, headers, body) = answer;
    assert_eq!(headers["content-type"], "application/json", "{body}");
    assert!(body.ends_with("}\n"), "{body}");
    let error: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(error["code"], *status, "{body}");
    (*status, error["message"].as_str().expect("text").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_answered_with_the_field_and_the_connection_goes_on() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    let step_json = "unable to unmarshal step json: ";
    let snapshot_json = "unable to unmarshal snapshot json: ";
    let long = "x".repeat(513);
    let long_id = format!(r#"{{"flow_instance_id":"{long}"}}"#);
    let long_step = format!(r#"{{"flowId":"{long}"}}"#);
    for (path, body, prefix, field) in [
        (START, "", step_json, "the body is empty"),
        (END, "{", step_json, "not JSON"),
        (STEPS, "{} x", step_json, "not JSON"),
        (STEPS, "[]", step_json, "has to be an object"),
        (SNAPSHOT, "x", snapshot_json, "not JSON"),
        (SNAPSHOT, r#"{"tasks":[1]}"#, snapshot_json, "tasks.0"),
        (START, r#"{"user_id":1}"#, step_json, "user_id: "),
        (START, r#"{"rerun_count":"1"}"#, step_json, "rerun_count: "),
        (END, r#"{"end_time":"yesterday"}"#, step_json, "end_time: "),
        (STEPS, r#"{"id":1.0}"#, step_json, "id: "),
        (
            STEPS,
            r#"{"flowChanges":{"0":null}}"#,
            step_json,
            "flowChanges.0: is null",
        ),
        (
            STEPS,
            r#"{"flowChanges":{"0":{"tasks":{"a":null}}}}"#,
            step_json,
            "flowChanges.0.tasks.a: is null",
        ),
        (
            STEPS,
            r#"{"flowChanges":{"x":{}}}"#,
            step_json,
            "flowChanges.x: ",
        ),
        (START, "null", "flow_instance_id", " is not set"),
        (
            END,
            r#"{"flow_instance_id":""}"#,
            "flow_instance_id",
            " is not set",
        ),
        (STEPS, "{}", "flowId", " is not set"),
        (START, &long_id, "flow_instance_id", " has 513 bytes"),
        (STEPS, &long_step, "flowId", " has 513 bytes"),
        (
            START,
            r#"{"flow_instance_id":"i","user_id":"a\u0000"}"#,
            "user_id",
            " holds a NUL",
        ),
        (
            END,
            r#"{"flow_instance_id":"a\u0000"}"#,
            "flow_instance_id",
            " holds a NUL",
        ),
        (STEPS, r#"{"flowId":"a\u0000b"}"#, "flowId", " holds a NUL"),
    ] {
        for headers in [&[][..], &[("Async-Calling", "true")]] {
            let answer = rest.request("POST", path, headers, body.as_bytes()).await;
            let (status, message) = error(&answer);
            assert_eq!(status, 400, "{body}");
            let expected = format!("{prefix}{field}");
            assert!(message.starts_with(&expected), "{body}: {message}");
        }
    }
    assert_eq!(rest.connections, 1, "the connection is kept");
    assert_eq!(refused(service.local_addr(), "json").await, 26);
    assert_eq!(refused(service.local_addr(), "invalid").await, 16);
    assert_eq!(count(&database, NOTHING).await, 0);
    post(&mut rest, STEPS, &step("i", 0)).await;
    assert_eq!(rest.connections, 1);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--max-event-bytes", "1KiB"]).await;
    let mut rest = Rest::new(service.local_addr());
    let large = |answer: support::Answer| {
        let (status, message) = error(&answer);
        assert_eq!(status, 413);
        assert!(message.contains("1024 bytes"), "{message}");
    };
    // announced, and never sent
    let head = format!("POST {STEPS} HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000000000\r\n\r\n");
    rest.send(head.as_bytes()).await;
    large(rest.answer("POST").await);
    let head = head.replace("content-length", "expect: 100-continue\r\ncontent-length");
    rest.send(head.as_bytes()).await;
    large(rest.answer("POST").await);
    // in chunks without an end
    let head = format!("POST {START} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
    rest.send(head.as_bytes()).await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    for _ in 0..3 {
        rest.send(chunk.as_bytes()).await;
    }
    large(rest.answer("POST").await);
    // in chunks that fit
    rest.send(head.replace(START, STEPS).as_bytes()).await;
    let body = step("i", 1);
    rest.send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes())
        .await;
    assert_eq!(rest.answer("POST").await.0, 200);
    assert_eq!(refused(service.local_addr(), "too_large").await, 3);
    assert_eq!(count(&database, NOTHING).await, 1);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_answered_when_somebody_listens() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    let head = format!("POST {START} HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{{");
    rest.send(head.as_bytes()).await;
    rest.half_close().await;
    let answer = rest.answer("POST").await;
    assert_eq!(error(&answer), (400, "unable to read body".to_owned()));
    rest = Rest::new(service.local_addr());
    rest.send(head.as_bytes()).await;
    drop(rest);
    let mut rest = Rest::new(service.local_addr());
    post(&mut rest, STEPS, &step("i", 0)).await;
    assert_eq!(count(&database, NOTHING).await, 1);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_is_told_to_who_posted_it() {
    let database = support::database().await;
    let client = database.client().await;
    let odd = "alter table public.steps add check (stepid <> '13')";
    client.batch_execute(odd).await.unwrap();
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    post(&mut rest, START, &start("orders", "i")).await;
    for headers in [&[][..], &[("Async-Calling", "true")]] {
        let body = step("i", 13);
        let answer = rest.request("POST", STEPS, headers, body.as_bytes()).await;
        let (status, message) = error(&answer);
        assert_eq!(status, 400);
        assert!(message.contains("SQLSTATE 23514"), "{message}");
    }
    post(&mut rest, STEPS, &step("i", 14)).await;
    let reason = "refused_by_database";
    assert_eq!(refused(service.local_addr(), reason).await, 2);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_is_not_exposed_is_not_there() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--expose-recorder", "false"]).await;
    let mut rest = Rest::new(service.local_addr());
    for (path, body) in [
        (START, start("orders", "i")),
        (STEPS, step("i", 0)),
        (END, end("orders", "i")),
        (SNAPSHOT, "{}".to_owned()),
    ] {
        let (status, headers, said) = rest.request("POST", path, &[], body.as_bytes()).await;
        assert_eq!((status, &*said), (405, "Method Not Allowed\n"), "{path}");
        assert_eq!(headers["allow"], "DELETE, OPTIONS");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    }
    assert_eq!(count(&database, NOTHING).await, 0);
    service.stop().await.unwrap();
}

/// Wrong requests on one connection.
async fn wrong(service: &Running, mut chance: support::Chance, requests: usize) {
    let mut rest = Rest::new(service.local_addr());
    let good = start("orders", "i");
    for _ in 0..requests {
        let path = [START, END, STEPS, SNAPSHOT][chance.below(4)];
        let body = match chance.below(4) {
            0 => good.as_bytes()[..chance.below(good.len())].to_vec(),
            1 => (0..chance.below(60))
                .map(|_| u8::try_from(chance.below(256)).unwrap())
                .collect(),
            2 => b"{\"flowId\":7,\"user_id\":[],\"status\":\"x\"}".to_vec(),
            _ => b"[".repeat(chance.below(9_000)),
        };
        let (status, ..) = rest.request("POST", path, &[], &body).await;
        assert_eq!(status, 400, "{path}: {}", String::from_utf8_lossy(&body));
    }
    assert_eq!(rest.connections, 1, "the connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wrong_requests_do_no_harm() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let service = std::sync::Arc::new(service);
    let mut clients = JoinSet::new();
    for number in 1..=4 {
        let service = std::sync::Arc::clone(&service);
        clients.spawn(async move { wrong(&service, support::Chance(number), 2_500).await });
    }
    clients.join_all().await;
    let mut rest = Rest::new(service.local_addr());
    post(&mut rest, START, &start("orders", "i")).await;
    assert_eq!(count(&database, NOTHING).await, 1);
    assert_eq!(
        super::metric(service.local_addr(), "flowtrail_ingest_queue_bytes").await,
        0
    );
    let service = std::sync::Arc::into_inner(service).expect("the clients are done");
    service.stop().await.unwrap();
}
