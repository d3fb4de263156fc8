//! Times are rounded once, to microseconds; what is computed from them is computed from those.

use flowtrail::proto::{FlowEnded, FlowStarted, StepRecorded, event::Kind};
use prost_types::Timestamp;
use serde_json::Value;

use super::{
    columns::{rows, stored},
    end, start, step,
};

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
