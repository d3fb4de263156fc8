//! The engine records the same flows twice, over REST and as our recorder does it: all rows are equal,
//! byte by byte, but for ids and times, and are what they have to be.

use std::collections::BTreeMap;

use super::{
    Engine, expected,
    stored::{Columns, Instance, Key, instances},
};
use crate::support::{self, Program, count};

/// The recorder that is compared with the one over REST.
const OURS: &str = "flowtrail";
/// Two rounds of all flows, so that each has an even and an odd number.
const FLOWS: usize = 26;
/// Flows that nobody waits for.
const DETACHED: usize = 2;

async fn same_rows(engine: Engine, mode: &str) {
    let database = support::database().await;
    let flags = [
        "--database-url",
        &database.url,
        // a step that brings a MiB and takes it away again is larger than the default
        "--max-event-bytes",
        "4MiB",
        "--max-chunk-bytes",
        "4MiB",
    ];
    let mut program = Program::serve(&flags).await;
    let flows = FLOWS.to_string();
    let words = ["--mode", mode, "--flows", &flows, "--concurrency", "4"];
    for (recorder, user) in [("rest", "rest"), (OURS, "grpc")] {
        let ended = engine.run(recorder, user, program.address, &words).await;
        let done = ended.as_expected();
        assert_eq!(
            (&done["flows"], &done["failed"]),
            (&FLOWS.into(), &4.into())
        );
        assert_eq!(ended.flows().count(), FLOWS + DETACHED);
    }
    let client = database.client().await;
    let rest = instances(&client, "rest").await;
    let ours = instances(&client, "grpc").await;
    for (key, instance) in &ours {
        as_expected(key, instance, mode);
    }
    if mode != "off" {
        events(&ours);
    }
    assert_eq!(ours.len(), FLOWS + DETACHED);
    assert!(rest.keys().eq(ours.keys()), "not the same instances");
    for ((key, rest), ours) in rest.iter().zip(ours.values()) {
        equal(key, rest, ours);
    }
    let stray = "select count(*) from steps where flowinstanceid not in
        (select flowinstanceid from flowstate where userid in ('rest', 'grpc'))";
    assert_eq!(
        count(&database, stray).await,
        0,
        "steps of nobody's instance"
    );
    assert_eq!(program.terminate().await, Some(0));
}

/// Both recorders' rows of an instance.
pub(super) fn equal(key: &Key, rest: &Instance, ours: &Instance) {
    assert_eq!(rest.steps.len(), ours.steps.len(), "{key:?}");
    let rows = |instance: &Instance| {
        let flow = std::iter::once(instance.flow.clone());
        flow.chain(instance.steps.iter().cloned())
            .collect::<Vec<_>>()
    };
    for (rest, ours) in rows(rest).into_iter().zip(rows(ours)) {
        for ((name, rest), (_, ours)) in rest.iter().zip(&ours) {
            let mut pairs = rest.bytes().zip(ours.bytes());
            let shorter = rest.len().min(ours.len());
            let differs = pairs
                .position(|(rest, ours)| rest != ours)
                .unwrap_or(shorter);
            let near = |text: &str| {
                let near = text.as_bytes().iter().skip(differs.saturating_sub(40));
                String::from_utf8_lossy(&near.take(120).copied().collect::<Vec<_>>()).into_owned()
            };
            let (over_rest, by_ours) = (near(rest), near(ours));
            assert!(
                rest == ours,
                "{key:?}, {name}\nover REST: …{over_rest}\nours:      …{by_ours}"
            );
        }
    }
}

/// What the rows of an instance have to be, whoever recorded them.
fn as_expected((flow, number): &Key, instance: &Instance, mode: &str) {
    for (name, wanted) in [
        ("status", expected::status(flow)),
        ("flowinput", &expected::input(flow, *number)),
        ("flowoutput", &expected::output(flow, *number)),
        ("appname", "parcels"),
        ("appversion", "1.4.0"),
        ("hostid", "engine-1"),
        ("rerunofflowinstanceid", ""),
        ("reruncount", "0"),
    ] {
        let value = column(&instance.flow, name);
        assert!(value == wanted, "{flow}, {name}: {value:.300}");
    }
    let names = ["flowname", "subflowid", "taskname", "status"];
    let steps = instance.steps.iter();
    let steps: Vec<_> = steps
        .map(|step| names.map(|name| column(step, name)))
        .collect();
    // off leaves the starts and the ends
    let mut wanted = expected::steps(flow, *number);
    wanted.truncate(if mode == "off" { 0 } else { wanted.len() });
    assert_eq!(steps, wanted, "{flow}");
    // what goes in and comes out; the activity's own input and the return only for the debugger
    let cargo = expected::cargo();
    let steps = instance.steps.iter().map(|step| column(step, "stepdata"));
    let loads: usize = steps.map(|step| step.matches(&cargo).count()).sum();
    let wanted = match (flow.as_str(), mode) {
        ("carries", "debugger") => 4,
        ("carries", "off") => 0,
        ("carries", _) => 2,
        _ => 0,
    };
    assert_eq!(loads, wanted, "{flow}: how often its steps hold the cargo");
}

pub(super) fn column<'a>(row: &'a Columns, name: &str) -> &'a str {
    let found = row.iter().find(|(column, _)| *column == name);
    found.map(|(_, value)| value.as_str()).expect("a column")
}

/// A detached flow has the trigger event of the flow that started it, and no other flow has.
fn events(instances: &BTreeMap<Key, Instance>) {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((flow, number), instance) in instances {
        let event = instance.event_id.as_deref().expect("an event");
        flows
            .entry(event)
            .or_default()
            .push((flow.as_str(), number));
    }
    for flows in flows.values() {
        match flows[..] {
            [(flow, _)] => assert!(
                !["notice", "posts"].contains(&flow),
                "{flow} has an event of its own"
            ),
            [("notice", detached), ("posts", number)] => assert_eq!(detached, number),
            _ => panic!("one event: {flows:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_of_the_newest_engine() {
    same_rows(Engine::Newest, "debugger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_of_an_old_engine() {
    same_rows(Engine::Old, "debugger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_when_the_engine_sends_snapshots_too() {
    same_rows(Engine::Newest, "full").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_without_the_inputs_of_tasks() {
    same_rows(Engine::Newest, "step").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_recorders_make_the_same_rows_of_starts_and_ends_alone() {
    same_rows(Engine::Newest, "off").await;
}
