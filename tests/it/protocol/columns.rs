//! What is in the tables is what was sent: every column, byte for byte.

use bytes::Bytes;
use flowtrail::proto::{FlowEnded, FlowStarted, StepRecorded, event::Kind};
use serde_json::{Value, json};

use crate::support::{self, Stream, TestDatabase, end, hello, start, time};

/// Sends each of `chunks` by itself to an empty database.
pub(super) async fn stored(chunks: impl IntoIterator<Item = Vec<Kind>>) -> TestDatabase {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let mut sent = 0;
    for chunk in chunks {
        sent += chunk.len() as u64;
        stream.chunk(chunk).await;
        stream.ack().await;
    }
    let rest = stream.finish().await;
    assert_eq!(rest.invalid, 0, "{sent} sent: {:?}", rest.rejections);
    service.stop().await.unwrap();
    database
}

/// The rows of a table by instance and step, bytes in hexadecimal.
pub(super) async fn rows(database: &TestDatabase, table: &str) -> Vec<Value> {
    let client = database.client().await;
    let query = format!("select to_jsonb(t)::text from {table} t order by t::text");
    let rows = client.query(&query, &[]).await.unwrap();
    let parse = |row: &tokio_postgres::Row| serde_json::from_str(row.get(0)).expect("JSON");
    rows.iter().map(parse).collect()
}

/// Every byte there is, and their hexadecimal form.
fn all_bytes() -> (Bytes, String) {
    let bytes: Vec<u8> = (0..=255).collect();
    let digits = |byte: &u8| format!("{byte:02x}");
    let text = bytes.iter().map(digits).collect::<String>();
    (bytes.into(), format!("\\x{text}"))
}

const ODD: &str = "\u{1}\t\n\\N\\.\"'é\u{10ffff} ";

#[tokio::test]
async fn a_step_is_stored_byte_for_byte_and_unset_is_not_empty() {
    let (bytes, hexadecimal) = all_bytes();
    let text = |text: &str| Some(text.to_owned());
    let unset = StepRecorded {
        instance_id: "a".into(),
        start_time: time(1_000_000_000),
        ..StepRecorded::default()
    };
    let filled = |step_id, texts: &str, payload: Bytes, rerun| StepRecorded {
        step_id,
        end_time: time(1_000_000_001),
        task_name: text(texts),
        status: text(texts),
        flow_name: text(texts),
        subflow_id: text(texts),
        rerun: Some(rerun),
        parent_step_id: text(texts),
        step_data: Some(payload.clone()),
        misc: Some(payload),
        ..unset.clone()
    };
    let chunk = vec![
        Kind::Step(unset.clone()),
        Kind::Step(filled(1, "", Bytes::new(), false)),
        Kind::Step(filled(2, ODD, bytes, true)),
    ];
    // the optimistic way, and staged
    for repeated in [false, true] {
        let again = repeated.then(|| chunk.clone());
        let database = stored([Some(chunk.clone()), again].into_iter().flatten()).await;
        let row = |step: &str, text: Option<&str>, bytes: Option<&str>, rerun: Option<bool>| {
            json!({"flowinstanceid": "a", "stepid": step, "starttime": "2001-09-09T01:46:40",
                "endtime": rerun.map(|_| "2001-09-09T01:46:41"), "taskname": text, "status": text,
                "flowname": text, "subflowid": text, "parentstepid": text, "rerun": rerun,
                "stepdata": bytes, "misc": bytes})
        };
        let expected = [
            row("0", None, None, None),
            row("1", Some(""), Some("\\x"), Some(false)),
            row("2", Some(ODD), Some(&hexadecimal), Some(true)),
        ];
        assert_eq!(rows(&database, "public.steps").await, expected);
    }
}

#[tokio::test]
async fn starts_and_ends_are_stored_byte_for_byte_and_unset_is_not_empty() {
    let (bytes, hexadecimal) = all_bytes();
    let text = |text: &str| Some(text.to_owned());
    let started = |instance: &str, texts: &str, payload: &Bytes| {
        Kind::Started(FlowStarted {
            instance_id: instance.into(),
            start_time: time(1_000_000_000),
            end_time: time(1_000_000_001),
            flow_name: text(texts),
            status: text(texts),
            original_instance_id: text(texts),
            parent_instance_id: text(texts),
            parent_flow_name: text(texts),
            flow_input: Some(payload.clone()),
            misc: Some(payload.clone()),
        })
    };
    let ended = |instance: &str, texts: &str, payload: &Bytes| {
        Kind::Ended(FlowEnded {
            instance_id: instance.into(),
            start_time: time(1_000_000_000),
            end_time: time(1_000_000_003),
            status: text(texts),
            flow_output: Some(payload.clone()),
            flow_name: text(texts),
        })
    };
    let (none, at) = (Bytes::new(), Some(1_000_000_000));
    let database = stored([
        vec![
            start("a unset", 1_000_000_000),
            started("b empty", "", &none),
            started("c odd", ODD, &bytes),
            start("d unset", 1_000_000_000),
            started("e empty", "", &none),
            started("f odd", ODD, &bytes),
            end("g unset", at, 1_000_000_003),
            ended("h empty", "", &none),
            ended("i odd", ODD, &bytes),
        ],
        vec![
            end("d unset", at, 1_000_000_003),
            ended("e empty", "", &none),
            ended("f odd", ODD, &bytes),
        ],
    ])
    .await;
    let row = |instance: &str, start: bool, end: bool| {
        let (texts, payload) = match &instance[2..] {
            "unset" => (None, None),
            "empty" => (Some(""), Some("\\x")),
            _ => (Some(ODD), Some(&*hexadecimal)),
        };
        let ended_at = match (end, texts) {
            (true, _) => Some("2001-09-09T01:46:43"),
            (false, Some(_)) => Some("2001-09-09T01:46:41"),
            (false, None) => None,
        };
        json!({"flowinstanceid": instance, "userid": "acme", "appname": "orders",
            "appversion": "1.0.0", "hostid": "desk-1", "starttime": "2001-09-09T01:46:40",
            "endtime": ended_at, "executiontime": end.then_some("3000.000"), "flowname": texts,
            "status": texts, "parentflowinstanceid": texts.filter(|_| start),
            "parentflowname": texts.filter(|_| start), "misc": payload.filter(|_| start),
            "rerunofflowinstanceid": texts.filter(|_| start),
            "flowinput": payload.filter(|_| start), "flowoutput": payload.filter(|_| end),
            "reruncount": 0})
    };
    let expected = [
        row("a unset", true, false),
        row("b empty", true, false),
        row("c odd", true, false),
        row("d unset", true, true),
        row("e empty", true, true),
        row("f odd", true, true),
        row("g unset", false, true),
        row("h empty", false, true),
        row("i odd", false, true),
    ];
    let rows = rows(&database, "public.flowstate").await;
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
}
