//! The server falls silent without closing a connection, and goes on later.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_postgres::Client;

use super::super::{
    Engine,
    history::{self, EVENTS, TEN},
    process::Process,
};
use crate::support::{self, Program, eventually};

/// Longer than the 15 s after which the recorder gives a silent connection up, tries others and is not
/// welcomed there either.
const FROZEN: Duration = Duration::from_secs(30);
/// What each recorder may hold: it is full within a moment.
const BUDGET: u64 = 1 << 20;
/// Of the engine whose flows wait.
const WAITING: u64 = 5_000;
/// Of the engine whose flows run on: at their pace they take longer than the server is frozen.
const DROPPING: u64 = 13_600;
const PACE: u64 = 400;

async fn start(program: &Program, on_full: &str, flows: u64, rate: u64) -> Process {
    let (flows, rate) = (flows.to_string(), rate.to_string());
    let (budget, policy) = (format!("budget={BUDGET}"), format!("onFull={on_full}"));
    let words = ["--scenario", TEN, "--flows", &flows, "--rate", &rate];
    let settings = ["--setting", &budget, "--setting", &policy];
    let more = ["--metrics-every", "50ms", "--setting", "stopTimeout=1m"];
    let words = [&words[..], &settings, &more].concat();
    Engine::Newest
        .start("flowtrail", on_full, program.address, &words)
        .await
}

/// Events of `user` that are in the tables: an instance whose start was dropped has no input.
async fn stored(client: &Client, user: &str) -> u64 {
    let sql = "select (select count(flowinput) + count(flowoutput) from public.flowstate where userid = $1)
      + (select count(*) from public.steps where flowinstanceid in
        (select flowinstanceid from public.flowstate where userid = $1))";
    let count: i64 = client.query_one(sql, &[&user]).await.unwrap().get(0);
    u64::try_from(count).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_frozen_flows_wait_or_run_on_as_they_were_told() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let mut waiting = start(&program, "wait", WAITING, 0).await;
    let mut dropping = start(&program, "drop", DROPPING, PACE).await;
    waiting.progress(200).await;
    dropping.progress(100).await;

    program.signal(Signal::STOP);
    let frozen = Instant::now();
    eventually("a full budget", async || dropping.metric("dropped") > 0).await;
    eventually("flows that wait", async || {
        let before = waiting.flows();
        tokio::time::sleep(Duration::from_millis(500)).await;
        waiting.flows() == before
    })
    .await;
    let (waited, run) = (waiting.flows(), dropping.flows());
    let since = Instant::now();
    tokio::time::sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
    assert_eq!(
        waiting.flows(),
        waited,
        "a flow went on while there was no room"
    );
    let due = since.elapsed().as_secs() * PACE;
    let ran = (dropping.flows() - run) as u64;
    assert!(ran >= due * 9 / 10, "{ran} flows ran, {due} were due");
    program.signal(Signal::CONT);

    let waiting = waiting.end().await;
    let done = waiting.as_expected();
    assert_eq!(
        (&done["flows"], &done["failed"]),
        (&WAITING.into(), &0.into())
    );
    assert_eq!(
        (&done["metrics"]["dropped"], &done["metrics"]["rejected"]),
        (&0.into(), &0.into())
    );
    let dropping = dropping.end().await;
    let done = dropping.as_expected();
    assert_eq!(
        (&done["flows"], &done["failed"]),
        (&DROPPING.into(), &0.into())
    );
    let dropped = done["metrics"]["dropped"].as_u64().expect("a count");
    for ended in [&waiting, &dropping] {
        assert!(ended.metric("waiting_bytes").max() <= Some(BUDGET));
        assert!(ended.metric("reconnects").last() >= Some(1));
    }

    let client = database.client().await;
    history::complete(&client, "wait", WAITING).await;
    let missing = DROPPING * EVENTS - stored(&client, "drop").await;
    assert!(dropped > PACE * EVENTS, "{dropped} events were dropped");
    assert_eq!(dropped, missing);
    let [past_steps, past_flows, ..] = history::copies(&client).await;
    assert_eq!((past_steps, past_flows), (0, 0));
    assert_eq!(program.terminate().await, Some(0));
}
