//! The traffic of a real engine, and what engines do in odd moments.

use flowtrail::app::Running;
use serde_json::Value;

use super::{END, SNAPSHOT, START, STEPS, end, post, start, step};
use crate::{
    fixtures::{TRAFFIC, check_rows},
    support::{self, Chance, Rest, count},
};

/// Path and body of each request.
fn requests() -> Vec<(String, String)> {
    let parse = |line| {
        let request: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| request[key].as_str().unwrap().to_owned();
        (text("path"), text("body"))
    };
    TRAFFIC.lines().map(parse).collect()
}

/// Sends `requests` over four connections at once; every answer has to be `expected`.
async fn replay(
    service: &Running,
    requests: &[(String, String)],
    headers: &[(&str, &str)],
    expected: u16,
) {
    let part = async |from: usize| {
        let mut rest = Rest::new(service.local_addr());
        for (path, body) in requests.iter().skip(from).step_by(4) {
            let answer = rest.request("POST", path, headers, body.as_bytes()).await;
            let (status, headers, said) = answer;
            assert_eq!((status, &*said), (expected, ""), "{path}");
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers["content-length"], "0");
        }
        assert_eq!(rest.connections, 1, "a connection is kept");
    };
    tokio::join!(part(0), part(1), part(2), part(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_traffic_of_an_engine_makes_the_rows_of_the_list() {
    let later = ("Async-Calling", "true");
    for (how, seed, headers, expected) in [
        ("as it came", None, &[][..], 200),
        ("shuffled", Some(1), &[][..], 200),
        ("shuffled again", Some(2), &[("async-calling", "TRUE")], 200),
        ("async", None, &[later], 202),
        ("async and shuffled", Some(3), &[later], 202),
    ] {
        let database = support::database().await;
        let service = support::serve(&database.url, &[]).await;
        let mut requests = requests();
        if let Some(seed) = seed {
            Chance(seed).shuffle(&mut requests);
        }
        replay(&service, &requests, headers, expected).await;
        check_rows(&database, how).await;
        replay(&service, &requests, headers, expected).await;
        check_rows(&database, "twice").await;
        service.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_stored_before_their_start_and_after_their_end_and_once() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    post(&mut rest, STEPS, &step("i", 0)).await;
    post(&mut rest, END, &end("orders", "i")).await;
    post(&mut rest, START, &start("orders", "i")).await;
    post(&mut rest, STEPS, &step("i", 7)).await;
    post(&mut rest, STEPS, &step("i", 7)).await;
    post(&mut rest, START, &start("orders", "i")).await;
    let stored = "select count(*) from steps where flowinstanceid = 'i' and taskname = 't'
        and status = '' and flowname = '' and subflowid = '0' and not rerun
        and parentstepid is null and misc is null and convert_from(stepdata, 'UTF8')::jsonb ? 'queueChanges'";
    assert_eq!(count(&database, stored).await, 2);
    let ended = "select count(*) from flowstate where status = 'Completed' and executiontime = '1500.000'
        and convert_from(flowinput, 'UTF8') = '{\"n\":1}' and convert_from(flowoutput, 'UTF8') = '{\"m\":2}'";
    assert_eq!(count(&database, ended).await, 1);
    let registered = "select count(*) from appstate where userid = 'acme' and appname = 'orders'
        and appversion = '1.0.0' and persistenceenabled is null";
    assert_eq!(count(&database, registered).await, 1);
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_the_zero_value_of_go() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    post(
        &mut rest,
        START,
        r#"{"Flow_Instance_ID":"s","flow_inputs":null,"x":[1]}"#,
    )
    .await;
    post(&mut rest, STEPS, r#" {"flowId":"s","flowChanges":null} "#).await;
    let start =
        "select count(*) from flowstate where flowinstanceid = 's' and userid = '' and appname = ''
        and hostid = '' and flowname = '' and status = '' and rerunofflowinstanceid = ''
        and starttime = '0001-01-01' and endtime = '0001-01-01' and executiontime is null
        and convert_from(flowinput, 'UTF8') = '{}' and flowoutput is null and reruncount = 0";
    assert_eq!(count(&database, start).await, 1);
    let step = "select count(*) from steps where stepid = '0' and starttime = '0001-01-01' and taskname = ''
        and convert_from(stepdata, 'UTF8') = ' {\"flowId\":\"s\",\"flowChanges\":null} '";
    assert_eq!(count(&database, step).await, 1);
    // an app without a name is nobody's to decide on
    assert_eq!(count(&database, "select count(*) from appstate").await, 0);

    // an end without a start time belongs to the newest attempt
    post(&mut rest, START, &super::start("orders", "n")).await;
    let end = r#"{"flow_instance_id":"n","flow_stats":"Failed","end_time":"2026-01-01T01:00:03.25+01:00"}"#;
    post(&mut rest, END, end).await;
    let ended = "select count(*) from flowstate where flowinstanceid = 'n' and status = 'Failed'
        and executiontime = '1250.000' and flowoutput is null and appname = 'orders'";
    assert_eq!(count(&database, ended).await, 1);
    post(&mut rest, SNAPSHOT, "{}").await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_64_mib_is_stored() {
    let database = support::database().await;
    let flags = ["--max-event-bytes", "64MiB", "--max-chunk-bytes", "64MiB"];
    let service = support::serve(&database.url, &flags).await;
    let mut rest = Rest::new(service.local_addr());
    let begin = r#"{"flowId":"big","id":1,"x":""#;
    let mut body = begin.to_owned();
    body.extend(std::iter::repeat_n('y', (64 << 20) - begin.len() - 2));
    body += "\"}";
    assert_eq!(body.len(), 64 << 20);
    post(&mut rest, STEPS, &body).await;
    let bytes = "select sum(length(stepdata)) from steps";
    assert_eq!(count(&database, bytes).await, 64 << 20);
    body.push(' ');
    let (status, ..) = rest.request("POST", STEPS, &[], body.as_bytes()).await;
    assert_eq!(status, 413);
    post(&mut rest, STEPS, &step("small", 1)).await;
    service.stop().await.unwrap();
}
