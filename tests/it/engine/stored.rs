//! The rows of a user, made comparable: ids and times that differ from run to run are looked at, and
//! then put out of the way, in the columns and in the bytes of the payloads.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

/// A flow and the number it was given; a detached flow has the number of the one that started it.
pub(super) type Key = (String, u64);

/// A row: each column with its value.
pub(super) type Columns = Vec<(&'static str, String)>;

/// The rows of one instance.
#[derive(Debug)]
pub(super) struct Instance {
    /// Its row in `flowstate`.
    pub(super) flow: Columns,
    /// Its rows in `steps`, in order.
    pub(super) steps: Vec<Columns>,
    /// What correlates it with others of the same trigger event.
    pub(super) event_id: Option<String>,
}

const FLOWS: &str = "
    select flowinstanceid, flowname, appname, appversion, hostid, status, parentflowinstanceid,
      parentflowname, convert_from(misc, 'UTF8') as misc, rerunofflowinstanceid,
      convert_from(flowinput, 'UTF8') as flowinput, convert_from(flowoutput, 'UTF8') as flowoutput,
      reruncount::text, executiontime, (extract(epoch from starttime) * 1000000)::bigint as started,
      (extract(epoch from endtime) * 1000000)::bigint as ended
    from public.flowstate where userid = $1";
const STEPS: &str = "
    select stepid, taskname, status, flowname, subflowid, convert_from(misc, 'UTF8') as misc,
      rerun::text, parentstepid, convert_from(stepdata, 'UTF8') as stepdata,
      (extract(epoch from starttime) * 1000000)::bigint as started,
      (extract(epoch from endtime) * 1000000)::bigint as ended
    from public.steps where flowinstanceid = $1 order by stepid::int";

/// Everything recorded for `user`.
pub(super) async fn instances(client: &Client, user: &str) -> BTreeMap<Key, Instance> {
    let mut instances = BTreeMap::new();
    for row in client.query(FLOWS, &[&user]).await.unwrap() {
        let id: String = row.get("flowinstanceid");
        let steps = client.query(STEPS, &[&id]).await.unwrap();
        let instance = instance(&id, &row, &steps);
        let input: serde_json::Value = serde_json::from_str(row.get("flowinput")).unwrap();
        let number = input["number"].as_u64().expect("every flow has a number");
        let key = (row.get("flowname"), number);
        let before = instances.insert(key, instance);
        assert!(before.is_none(), "twice: {before:?}");
    }
    instances
}

fn instance(id: &str, row: &Row, steps: &[Row]) -> Instance {
    let span = |row: &Row| (row.get::<_, i64>("started"), row.get::<_, i64>("ended"));
    let (started, ended) = span(row);
    let micros = ended - started;
    assert!(micros >= 0, "{id} ended before it started");
    let milliseconds = format!("{}.{:03}", micros / 1000, micros % 1000);
    assert_eq!(
        row.get::<_, Option<String>>("executiontime"),
        Some(milliseconds)
    );

    // ids by the order in which they appear, the instance's own first
    let mut ids = vec![id.to_owned()];
    let flow = columns(row, &mut ids);
    let again = steps
        .iter()
        .any(|step| step.get::<_, &str>("rerun") == "true");
    let mut event_id = None;
    let mut rows = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        assert_eq!(
            step.get::<_, &str>("stepid"),
            number.to_string(),
            "a gap in {id}"
        );
        let text: &str = step.get("stepdata");
        let (from, to) = span(step);
        assert_eq!(
            (from, to),
            (micros_of(text, "starttime"), micros_of(text, "endtime")),
            "{text}"
        );
        // what was before a rerun began before its start
        assert!(again || started <= from, "{text}");
        assert!(from <= to && to <= ended, "{text}");
        event_id = event_id.or_else(|| quoted(text, "event.id").map(str::to_owned));
        rows.push(columns(step, &mut ids));
    }
    Instance {
        flow,
        steps: rows,
        event_id,
    }
}

/// The columns that are texts, without ids and times.
fn columns(row: &Row, ids: &mut Vec<String>) -> Columns {
    let names = [
        "flowinstanceid",
        "flowname",
        "appname",
        "appversion",
        "hostid",
        "status",
        "taskname",
        "stepid",
        "subflowid",
        "parentflowinstanceid",
        "parentflowname",
        "parentstepid",
        "misc",
        "rerun",
        "rerunofflowinstanceid",
        "reruncount",
        "flowinput",
        "flowoutput",
        "stepdata",
    ];
    let there = |name: &&str| row.columns().iter().any(|column| column.name() == *name);
    let mut text = |name| match row.get::<_, Option<String>>(name) {
        Some(text) => without_ids(&without_times(&text), ids),
        None => "NULL".to_owned(),
    };
    names
        .into_iter()
        .filter(there)
        .map(|name| (name, text(name)))
        .collect()
}

/// `text` with every 32 hexadecimal digits replaced by their place in `ids`.
fn without_ids(text: &str, ids: &mut Vec<String>) -> String {
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let mut rest = text;
    let mut whole = String::with_capacity(text.len());
    while let Some(begin) = rest.bytes().position(|byte| digit(&byte)) {
        let digits = rest.bytes().skip(begin).take_while(digit).count();
        let (found, after) = rest[begin..].split_at(digits);
        whole += &rest[..begin];
        if digits == 32 {
            let place = ids.iter().position(|id| id == found).unwrap_or_else(|| {
                ids.push(found.to_owned());
                ids.len() - 1
            });
            whole += "ID";
            whole += &place.to_string();
        } else {
            whole += found;
        }
        rest = after;
    }
    whole + rest
}

/// `text` with the two times of a step replaced.
fn without_times(text: &str) -> String {
    let times: Vec<_> = ["starttime", "endtime"]
        .into_iter()
        .filter_map(|key| quoted(text, key))
        .collect();
    let mut whole = text.to_owned();
    for time in times {
        whole = whole.replacen(&format!("time\":\"{time}\""), "time\":\"TIME\"", 1);
    }
    whole
}

/// The last `"key":"value"` of a JSON text, as it stands there.
fn quoted<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = text.rsplit_once(&format!("\"{key}\":\""))?;
    value.split_once('"').map(|(value, _)| value)
}

/// A time of a step in µs, rounded as PostgreSQL does: the half to the even.
fn micros_of(text: &str, key: &str) -> i64 {
    let time = quoted(text, key).unwrap_or_else(|| panic!("no {key}: {text}"));
    let time: jiff::Timestamp = time.parse().expect("RFC 3339");
    let nanos = time.as_nanosecond();
    let (micros, part) = (nanos / 1000, nanos % 1000);
    let up = part > 500 || part == 500 && micros % 2 == 1;
    i64::try_from(micros).unwrap() + i64::from(up)
}

#[test]
fn ids_and_times_are_out_of_the_way_and_nothing_else() {
    let (one, other) = (
        "0123456789abcdef0123456789abcdef",
        "ffffffffffffffffffffffffffffffff",
    );
    let mut ids = vec![one.to_owned()];
    let text =
        format!(r#"{{"a":"{other}","b":"{one}-2","c":"{one}0","endtime":"2026-11-20T19:57:35Z"}}"#);
    let text = without_ids(&without_times(&text), &mut ids);
    let rest = format!(r#"{{"a":"ID1","b":"ID0-2","c":"{one}0","endtime":"TIME"}}"#);
    assert_eq!(text, rest);
    let time = |time: &str| {
        micros_of(
            &format!(r#"{{"endtime":"1970-01-01T00:00:{time}Z"}}"#),
            "endtime",
        )
    };
    assert_eq!(time("01.823164587"), 1_823_165);
    assert_eq!(time("01.8231645"), 1_823_164);
    assert_eq!(time("01.8231655"), 1_823_166);
}
