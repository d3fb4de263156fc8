//! What is in the tables is what was sent: every column, byte for byte, and times rounded once.

use bytes::Bytes;
use flowtrail::proto::{FlowEnded, FlowStarted, StepRecorded, event::Kind};
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{end, start, step, time};
use crate::support::{self, Stream, TestDatabase, hello};

/// Sends each of `chunks` by itself to an empty database.
async fn stored(chunks: impl IntoIterator<Item = Vec<Kind>>) -> TestDatabase {
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
async fn rows(database: &TestDatabase, table: &str) -> Vec<Value> {
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

#[tokio::test]
async fn times_are_rounded_to_microseconds_with_ties_to_even() {
    let cases = [
        (1, 823_164_587, "1970-01-01 00:00:01.823165"),
        (1, 823_164_500, "1970-01-01 00:00:01.823164"),
        (1, 823_165_500, "1970-01-01 00:00:01.823166"),
        (1, 823_164_499, "1970-01-01 00:00:01.823164"),
        (1, 999_999_500, "1970-01-01 00:00:02"),
        (1, 500, "1970-01-01 00:00:01"),
        (-1, 999_999_500, "1970-01-01 00:00:00"),
        (-1, 1_500, "1969-12-31 23:59:59.000002"),
        (-62_135_596_800, 0, "0001-01-01 00:00:00"),
        (-62_135_596_801, 0, "0001-12-31 23:59:59 BC"),
    ];
    let (mut steps, mut flows) = (Vec::new(), Vec::new());
    for (number, (seconds, nanos, _)) in (0..).zip(cases) {
        let at = Some(Timestamp { seconds, nanos });
        steps.push(Kind::Step(StepRecorded {
            instance_id: "a".into(),
            step_id: number,
            start_time: at,
            end_time: at,
            ..StepRecorded::default()
        }));
        flows.push(Kind::Started(FlowStarted {
            instance_id: format!("{number}"),
            start_time: at,
            end_time: at,
            ..FlowStarted::default()
        }));
    }
    let database = stored([steps, flows]).await;
    let client = database.client().await;
    let query = "
        select s.starttime::text, s.endtime::text, f.starttime::text, f.endtime::text
        from steps s join flowstate f on f.flowinstanceid = s.stepid order by stepid::int";
    let rows = client.query(query, &[]).await.unwrap();
    for (row, (seconds, nanos, expected)) in rows.iter().zip(cases) {
        for column in 0..4 {
            let stored: &str = row.get(column);
            assert_eq!(stored, expected, "{seconds} s {nanos} ns, column {column}");
        }
    }
    assert_eq!(rows.len(), cases.len());
}

#[tokio::test]
async fn executiontime_has_three_decimals_of_the_stored_times() {
    let at = |nanos: i64| Timestamp {
        seconds: 1_000 + nanos.div_euclid(1_000_000_000),
        nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap(),
    };
    // from start to end in ns
    let cases = [
        (0, 41_335_000, "41.335"),
        (0, 33_460_000, "33.460"),
        (0, 1_500_000_000, "1500.000"),
        (0, 0, "0.000"),
        (0, 499, "0.000"),
        (499, 501, "0.001"),
        (500, 1_500, "0.002"),
        (1_500, 2_500, "0.000"),
        (0, -1_000_000, "-1.000"),
        (0, -1_000, "-0.001"),
        (0, 86_400_000_000_000 * 400, "34560000000.000"),
    ];
    for together in [true, false] {
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (number, (start, end, _)) in (0..).zip(cases) {
            starts.push(Kind::Started(FlowStarted {
                instance_id: format!("{number:02}"),
                start_time: Some(at(start)),
                ..FlowStarted::default()
            }));
            ends.push(Kind::Ended(FlowEnded {
                instance_id: format!("{number:02}"),
                start_time: Some(at(start)),
                end_time: Some(at(end)),
                ..FlowEnded::default()
            }));
        }
        let chunks = if together {
            vec![[starts, ends].concat()]
        } else {
            vec![starts, ends]
        };
        let rows = rows(&stored(chunks).await, "public.flowstate").await;
        assert_eq!(rows.len(), cases.len());
        for (row, (start, end, expected)) in rows.iter().zip(cases) {
            assert_eq!(
                row["executiontime"], expected,
                "{start} to {end}, {together}"
            );
        }
    }
}

#[tokio::test]
async fn an_end_without_start_time_ends_the_newest_attempt_whenever_it_comes() {
    let events = [start("a", 10), start("a", 20), end("a", None, 30)];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        for together in [true, false] {
            let sent = order.map(|at| events[at].clone());
            let chunks = if together {
                vec![sent.to_vec()]
            } else {
                sent.map(|event| vec![event]).to_vec()
            };
            let rows = rows(&stored(chunks).await, "public.flowstate").await;
            let [row] = &rows[..] else {
                panic!("one row: {rows:?}")
            };
            assert_eq!(
                row["starttime"], "1970-01-01T00:00:20",
                "{order:?} {together}"
            );
            assert_eq!(row["executiontime"], "10000.000", "{order:?} {together}");
        }
    }
    let alone = stored([vec![end("a", None, 30), step("a", 0)]]).await;
    let row = &rows(&alone, "public.flowstate").await[0];
    assert_eq!(row["starttime"], Value::Null);
    assert_eq!(row["executiontime"], Value::Null);
    assert_eq!(row["endtime"], "1970-01-01T00:00:30");
}

#[tokio::test]
async fn an_end_may_come_before_its_start() {
    for chunks in [
        vec![vec![end("a", Some(10), 30)], vec![start("a", 10)]],
        vec![vec![end("a", Some(10), 30), start("a", 10)]],
    ] {
        let rows = rows(&stored(chunks).await, "public.flowstate").await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["starttime"], "1970-01-01T00:00:10");
        assert_eq!(rows[0]["endtime"], "1970-01-01T00:00:30");
        assert_eq!(rows[0]["executiontime"], "20000.000");
    }
}
