//! `flowtrail record` of recorded traffic, in any order, through any number of servers: the rows are
//! always the same, in every column of both tables.

use std::process::Stdio;

use flowtrail::{
    app::Running,
    cli::{client::ServerOptions, play::Play, traffic::Traffic},
    proto::Hello,
};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{self, Chance, Stream, TestDatabase, count, end, eventually, hello};

/// Requests of an engine, one a line.
pub(crate) const TRAFFIC: &str = include_str!("../../demo/recorder-traffic.jsonl");
/// The rows that they make, payloads as text.
const ROWS: &str = include_str!("../fixtures/rows.jsonl");
/// Requests that are no snapshots.
const EVENTS: u64 = 39;

const STORED: &str = "
    select (to_jsonb(f) || jsonb_build_object('table', 'flowstate', 'misc', convert_from(misc, 'UTF8'),
      'flowinput', convert_from(flowinput, 'UTF8'), 'flowoutput', convert_from(flowoutput, 'UTF8')))::text
    from public.flowstate f
    union all
    select (to_jsonb(s) || jsonb_build_object('table', 'steps', 'misc', convert_from(misc, 'UTF8'),
      'stepdata', convert_from(stepdata, 'UTF8')))::text
    from public.steps s";

fn rows<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    let parse = |line| serde_json::from_str::<Value>(line).expect("a row as JSON");
    let mut rows: Vec<_> = lines.into_iter().map(parse).collect();
    rows.sort_by_key(|row| {
        ["table", "flowinstanceid", "stepid"].map(|key| row[key].as_str().map(str::to_owned))
    });
    rows
}

pub(crate) async fn check_rows(database: &TestDatabase, how: &str) {
    let client = database.client().await;
    let stored = client.query(STORED, &[]).await.unwrap();
    let stored = rows(stored.iter().map(|row| row.get(0)));
    let expected = rows(ROWS.lines());
    assert_eq!(stored.len(), expected.len(), "{how}");
    for (stored, expected) in stored.iter().zip(&expected) {
        assert_eq!(stored, expected, "{how}");
    }
}

/// Plays `lines`; every event must be taken.
pub(crate) async fn play(service: &Running, lines: &[&str], chunk_events: usize) {
    let server = ServerOptions {
        server: format!("http://{}", service.local_addr()),
        tls_ca: None,
        tls_cert: None,
        tls_key: None,
    };
    // of steps whose start is not among the lines
    let fallback = Hello {
        user: "flogo".into(),
        app: "orders".into(),
        app_version: "1.2.0".into(),
        host: "vm".into(),
        client: "test".into(),
    };
    let traffic = Traffic::read("lines", lines.join("\n").as_bytes(), Some(&fallback)).unwrap();
    let play = Play {
        chunk_events,
        retry_for: std::time::Duration::ZERO,
        repeat: 1,
        fresh_ids: false,
    };
    let channel = server.channel().await.unwrap();
    let played = play.run(&channel, "lines", &traffic).await.unwrap();
    assert!(played.failures.is_empty(), "{:?}", played.failures);
    let totals = played.totals;
    assert_eq!(totals.recorded + totals.superseded, totals.events);
    assert_eq!(totals.invalid, 0);
}

/// The recorded requests.
pub(crate) fn lines() -> Vec<&'static str> {
    TRAFFIC.lines().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_the_same_in_any_order_and_any_chunks() {
    let check = async |how: &str, lines: &[&str], chunk_events| {
        let database = support::database().await;
        let service = support::serve(&database.url, &[]).await;
        play(&service, lines, chunk_events).await;
        check_rows(&database, how).await;
        service.stop().await.unwrap();
    };
    check("forward", &lines(), 200).await;
    let mut reversed = lines();
    reversed.reverse();
    check("reversed", &reversed, 200).await;
    check("reversed, one by one", &reversed, 1).await;
    for seed in 1..=8 {
        let mut shuffled = lines();
        let mut chance = Chance(seed);
        chance.shuffle(&mut shuffled);
        let chunk_events = 1 + chance.below(12);
        check(&format!("shuffled by {seed}"), &shuffled, chunk_events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_the_same_when_all_is_said_twice() {
    for (chunk_events, way_back) in [(200, false), (3, false), (1, true)] {
        let database = support::database().await;
        let service = support::serve(&database.url, &[]).await;
        let (forward, mut other) = (lines(), lines());
        if way_back {
            other.reverse();
        }
        tokio::join!(
            play(&service, &forward, chunk_events),
            play(&service, &other, chunk_events)
        );
        check_rows(&database, "twice at once").await;
        play(&service, &forward, chunk_events).await;
        check_rows(&database, "a third time").await;
        service.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_the_same_through_two_servers() {
    let check = async |how: &str, one: &[&str], two: &[&str]| {
        let database = support::database().await;
        let first = support::serve(&database.url, &[]).await;
        let second = support::serve(&database.url, &["--lanes", "3"]).await;
        tokio::join!(play(&first, one, 2), play(&second, two, 3));
        check_rows(&database, how).await;
        first.stop().await.unwrap();
        second.stop().await.unwrap();
    };
    let all = lines();
    let every_second = |rest| {
        let numbered = all.iter().enumerate().filter(move |(at, _)| at % 2 == rest);
        numbered.map(|(_, line)| *line).collect::<Vec<_>>()
    };
    check("each a half", &every_second(0), &every_second(1)).await;
    let (early, late) = all.split_at(all.len() / 2);
    check("early and late", late, early).await;
    let mut shuffled = all.clone();
    Chance(9).shuffle(&mut shuffled);
    check("all through both", &all, &shuffled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_makes_these_rows() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let mut shuffled = lines();
    Chance(10).shuffle(&mut shuffled);
    for (name, lines, (recorded, superseded)) in [
        ("shuffled", shuffled, (EVENTS, 0)),
        ("again", lines(), (0, EVENTS)),
    ] {
        let file = directory.path().join(name);
        std::fs::write(&file, lines.join("\n")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_flowtrail"))
            .args(["record", "--output", "json", "--chunk-events", "7"])
            .args(["--server", &format!("http://{}", service.local_addr())])
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let counted = (
            report[0]["recorded"].as_u64(),
            report[0]["superseded"].as_u64(),
        );
        assert_eq!(counted, (Some(recorded), Some(superseded)), "{name}");
        check_rows(&database, name).await;
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_completes_a_start_that_another_server_stores_meanwhile() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let client = database.client().await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    // its lane has prepared its statements
    stream.chunk([end("i0", Some(1), 3)]).await;
    stream.ack().await;
    // the end has looked for its start, in vain, when it comes here
    let lock = "begin; lock table flowtrail.attempts in access exclusive mode";
    client.batch_execute(lock).await.unwrap();
    stream.chunk([end("i1", Some(1), 3)]).await;
    let waiting = "select count(*) from pg_locks where not granted and database = (
        select oid from pg_database where datname = current_database())";
    eventually("the end waits", async || {
        count(&database, waiting).await == 1
    })
    .await;
    let start =
        "insert into public.flowstate (flowinstanceid, hostid, starttime, status, reruncount)
        values ('i1', 'other', '1970-01-01 00:00:01', 'Created', 0)";
    let other = database.client().await;
    other.batch_execute(start).await.unwrap();
    client.batch_execute("rollback").await.unwrap();
    assert_eq!(stream.finish().await.recorded, 1);
    let ended =
        "select count(*) from flowstate where hostid = 'other' and executiontime = '2000.000'";
    assert_eq!(count(&database, ended).await, 1);
    service.stop().await.unwrap();
}
