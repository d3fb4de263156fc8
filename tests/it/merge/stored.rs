//! What the tables really hold for some instances.

use std::{collections::BTreeSet, fmt::Write as _};

use tokio_postgres::{Client, Row};

use super::{
    event::{Source, Step},
    model::{Flow, Tables},
};

const FLOW: &str = "flowinstanceid, userid, appname, appversion, hostid, flowname,
    extract(epoch from starttime)::bigint, extract(epoch from endtime)::bigint, executiontime, status,
    parentflowinstanceid, convert_from(misc, 'UTF8'), rerunofflowinstanceid,
    convert_from(flowinput, 'UTF8'), convert_from(flowoutput, 'UTF8'), reruncount";
const STEP: &str = "flowinstanceid, stepid::integer, extract(epoch from starttime)::bigint,
    extract(epoch from endtime)::bigint, convert_from(stepdata, 'UTF8'), taskname, status, rerun";

/// Reads everything stored of these instances.
pub(super) async fn tables(client: &Client, instances: &Vec<String>) -> Tables {
    let rows = async |columns: &str, table: &str| {
        let sql = format!("select {columns} from {table} where flowinstanceid = any ($1)");
        client.query(&sql, &[instances]).await.unwrap()
    };
    Tables {
        flows: set(&rows(FLOW, "public.flowstate").await, flow),
        past_flows: set(&rows(FLOW, "flowtrail.past_flowstate").await, flow),
        steps: set(&rows(STEP, "public.steps").await, step),
        past_steps: set(&rows(STEP, "flowtrail.past_steps").await, step),
    }
}

fn set<T: Ord>(rows: &[Row], read: impl Fn(&Row) -> T) -> BTreeSet<T> {
    rows.iter().map(read).collect()
}

fn flow(row: &Row) -> Flow {
    Flow {
        instance: row.get(0),
        source: Source {
            user: row.get(1),
            app: row.get(2),
            version: row.get(3),
            host: row.get(4),
        },
        name: row.get(5),
        at: row.get(6),
        ended_at: row.get(7),
        took: row.get(8),
        status: row.get(9),
        parent: row.get(10),
        misc: row.get(11),
        original: row.get(12),
        input: row.get(13),
        output: row.get(14),
        reruns: row.get(15),
    }
}

fn step(row: &Row) -> (String, Step) {
    let step = Step {
        number: row.get(1),
        at: row.get(2),
        ended_at: row.get(3),
        data: row.get(4),
        task: row.get(5),
        status: row.get(6),
        rerun: row.get(7),
    };
    (row.get(0), step)
}

/// What is missing from the tables and what is too much there; nothing when they are as they should be.
pub(super) fn difference(expected: &Tables, found: &Tables) -> Option<String> {
    let mut words = String::new();
    compare("flowstate", &expected.flows, &found.flows, &mut words);
    compare(
        "past_flowstate",
        &expected.past_flows,
        &found.past_flows,
        &mut words,
    );
    compare("steps", &expected.steps, &found.steps, &mut words);
    compare(
        "past_steps",
        &expected.past_steps,
        &found.past_steps,
        &mut words,
    );
    (!words.is_empty()).then_some(words)
}

fn compare<T: Ord + std::fmt::Debug>(
    table: &str,
    expected: &BTreeSet<T>,
    found: &BTreeSet<T>,
    words: &mut String,
) {
    for row in expected.difference(found) {
        writeln!(words, "{table} should have {row:?}").expect("a string takes it");
    }
    for row in found.difference(expected) {
        writeln!(words, "{table} has        {row:?}").expect("a string takes it");
    }
}
