//! `flowtrail spool`, on spools that are made here.

mod kept;

use std::fs;

use serde_json::{Value, json};
use uuid::Uuid;

use super::each;
use crate::support::{self, Run, count, eventually};
use kept::{Kept, record};

#[tokio::test]
async fn status_says_how_much_is_kept_since_when_and_by_whom() {
    let kept = Kept::new(Uuid::from_u128(7));
    let none = kept.run(&["status"]).end().await;
    assert!(none.err.contains("no spool"), "{}", none.err);
    assert!(none.done().starts_with("events      0 in 0 records\n"));

    kept.keep(vec![record("a", 3), record("b", 1)]).await;
    let status = kept.json(&["status"]).await;
    let segment = &status["segments"][0];
    let bytes = kept.segment().metadata().unwrap().len();
    assert_eq!(
        (&status["events"], &status["records"], &status["bytes"]),
        (&json!(6), &json!(2), &json!(bytes))
    );
    assert_eq!(status["oldest"], "2026-01-05T10:00:00Z");
    assert_eq!(status["database"], Uuid::from_u128(7).to_string());
    assert_eq!(
        (&status["in_use"], &status["pid"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (
            &segment["file"],
            &segment["first_sequence"],
            &segment["events"]
        ),
        (&json!("00000000000000000001.segment"), &json!(1), &json!(6))
    );
    let table = kept.run(&["status"]).end().await.done();
    for part in [
        "6 in 2 records",
        "2026-01-05 10:00:00.000 UTC",
        "none runs",
        "Segments:",
    ] {
        assert!(table.contains(part), "no {part} in {table}");
    }

    let (spool, reader) = kept.open();
    let status = kept.json(&["status"]).await;
    let pid = std::process::id();
    assert_eq!(
        (&status["in_use"], &status["pid"]),
        (&json!(true), &json!(pid))
    );
    let table = kept.run(&["status"]).end().await.done();
    assert!(table.contains(&format!("process {pid}")), "{table}");
    spool.close().await;
    drop(reader);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_asked_for_wrongly() {
    for words in [
        &["status"][..],
        &["verify"],
        &["rejected"],
        &["retry", "--all"],
        &["drain"],
    ] {
        let run = Run::new(&[&["spool"], words, &["--data-dir", "nowhere"]].concat());
        run.end()
            .await
            .failed(2, &["--data-dir nowhere", "flowtrail serve"]);
    }
    let kept = Kept::new(Uuid::nil());
    for words in [
        &["retry"][..],
        &["retry", "--all", "name"],
        &["drain", "--lanes", "0"],
    ] {
        let ended = kept.run(words).end().await;
        assert_eq!(
            (ended.status, &*ended.out),
            (Some(2), ""),
            "{words:?}: {}",
            ended.err
        );
    }
}

#[tokio::test]
async fn verify_names_file_and_place_of_what_is_damaged() {
    let kept = Kept::new(Uuid::from_u128(7));
    kept.keep(vec![record("a", 3), record("b", 1), record("c", 1)])
        .await;
    let whole = kept.run(&["verify"]).end().await;
    assert!(
        whole
            .err
            .contains("3 records (8 events) in 1 segment can be read"),
        "{}",
        whole.err
    );
    assert_eq!(whole.done(), "");
    assert_eq!(kept.json(&["verify"]).await, json!([]));

    // in the rows of the first record
    let segment = kept.segment();
    let healthy = fs::read(&segment).unwrap();
    let mut bytes = healthy.clone();
    bytes[200] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let file = segment.display().to_string();
    let damaged = kept.run(&["verify", "--output", "json"]).end().await;
    let list: Value = serde_json::from_str(&damaged.out).unwrap();
    assert_eq!(
        (
            &list[0]["file"],
            &list[0]["offset"],
            &list[0]["first_sequence"],
            &list[0]["records"]
        ),
        (&json!(file), &json!(64), &json!(1), &json!(1))
    );
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(damaged.status, Some(1));
    let said = damaged.err.lines().last().unwrap();
    assert!(
        said.contains(&format!("{file} is damaged at byte 64")),
        "{said}"
    );
    assert_eq!(kept.json(&["status"]).await["damaged"], 1);
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing may be changed");

    // the end of a write that was interrupted is no damage
    let cut = healthy.len() - 10;
    fs::write(&segment, &healthy[..cut]).unwrap();
    let torn = kept.run(&["verify"]).end().await;
    assert!(torn.err.contains("an interrupted write"), "{}", torn.err);
    torn.done();
}

#[tokio::test]
async fn refused_rows_are_listed_shown_and_tried_again() {
    let kept = Kept::new(Uuid::from_u128(7));
    let none = kept.run(&["rejected"]).end().await;
    assert_eq!(none.err, "no row was rejected\n");
    assert_eq!(none.done(), "");
    kept.keep(vec![record("a", 3)]).await;
    kept.reject("the database refused it: a check").await;

    let list = kept.json(&["rejected"]).await;
    let name = each(&list, "name")[0].to_owned();
    assert_eq!(
        (
            &list[0]["table"],
            &list[0]["instance"],
            &list[0]["app"],
            &list[0]["reason"]
        ),
        (
            &json!("steps"),
            &json!("a"),
            &json!("orders"),
            &json!("the database refused it: a check")
        )
    );
    assert_eq!(list[0]["spooled"], "2026-01-05T10:00:00Z");
    let table = kept.run(&["rejected"]).end().await.done();
    assert!(
        table.contains(&name) && table.contains("a check"),
        "{table}"
    );
    let shown = kept.json(&["rejected", "--show", &name]).await;
    assert_eq!(shown["reason"], "the database refused it: a check");
    let columns = &shown["columns"];
    assert_eq!(
        (
            &columns["stepid"],
            &columns["taskname"],
            &columns["starttime"],
            &columns["parentstepid"]
        ),
        (
            &json!("0"),
            &json!("weigh"),
            &json!("1970-01-01T00:16:40Z"),
            &Value::Null
        )
    );
    assert_eq!(columns["stepdata"]["id"].to_string(), "1.0");
    let text = kept.run(&["rejected", "--show", &name]).end().await.done();
    assert!(text.contains("taskname               weigh"), "{text}");
    for odd in ["nobody", "../lock", ""] {
        let ended = kept.run(&["rejected", "--show", odd]).end().await;
        ended.failed(1, &["no rejected row", "flowtrail spool rejected"]);
        let ended = kept.run(&["retry", odd]).end().await;
        assert_eq!(ended.status, Some(1), "{odd}");
        assert!(
            ended.err.contains("not among the rejected rows"),
            "{}",
            ended.err
        );
    }
    assert!(kept.dir().join("lock").exists());

    let moved = kept.run(&["retry", &name, "--output", "json"]).end().await;
    assert!(
        moved.err.contains("1 row will be tried again by the next"),
        "{}",
        moved.err
    );
    let rows: Value = serde_json::from_str(&moved.done()).unwrap();
    assert_eq!(
        rows,
        json!([{"name": name, "table": "steps", "instance": "a"}])
    );
    assert_eq!(kept.json(&["rejected"]).await, json!([]));
    assert_eq!(kept.json(&["status"]).await["retried"], 1);
    let nothing = kept.run(&["retry", "--all"]).end().await;
    assert_eq!(nothing.err, "no row is to be tried again\n");
    nothing.done();

    // whoever uses the spool takes it up
    let (spool, _reader) = kept.open();
    eventually("the row is in the log again", async || {
        spool.status().records == 2
    })
    .await;
    spool.close().await;
}

#[tokio::test]
async fn a_service_that_runs_tries_rows_again_by_itself() {
    let kept = Kept::new(Uuid::from_u128(7));
    kept.keep(vec![record("a", 1)]).await;
    kept.reject("a check").await;
    let (spool, _reader) = kept.open();
    let moved = kept.run(&["retry", "--all"]).end().await;
    let pid = std::process::id();
    assert!(
        moved
            .err
            .contains(&format!("process {pid} tries 1 row again")),
        "{}",
        moved.err
    );
    moved.done();
    eventually("the row is in the log again", async || {
        spool.status().records == 2
    })
    .await;
    let busy = kept
        .run(&["drain", "--database-url", "host=localhost user=u"])
        .end()
        .await;
    busy.failed(1, &[&format!("process {pid}"), "drains it by itself"]);
    spool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_writes_everything_and_keeps_what_the_database_refuses() {
    let database = support::database().await;
    let kept = Kept::of(&database).await;
    let many = |n: u32| record(&format!("i{n}"), 4);
    kept.keep((0..50).map(many).collect()).await;
    let client = database.client().await;
    let refuse = "alter table public.steps add constraint odd check (flowinstanceid <> 'i7' or stepid <> '2')";
    client.batch_execute(refuse).await.unwrap();
    let drain = ["drain", "--database-url", &database.url, "--output", "json"];

    let ended = kept.run(&drain).end().await;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(ended.err.contains("refused 1 row"), "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (
            &report[0]["events"],
            &report[0]["rejected"],
            &report[0]["left"]
        ),
        (&json!(250), &json!(1), &json!(0))
    );
    assert_eq!(
        count(&database, "select count(*) from public.steps").await,
        199
    );
    assert_eq!(
        count(&database, "select count(*) from public.flowstate").await,
        50
    );
    let list = kept.json(&["rejected"]).await;
    assert_eq!(each(&list, "instance"), ["i7"]);
    let status = kept.json(&["status"]).await;
    assert_eq!(
        (&status["events"], &status["segments"]),
        (&json!(0), &json!([]))
    );

    client
        .batch_execute("alter table public.steps drop constraint odd")
        .await
        .unwrap();
    kept.run(&["retry", "--all"]).end().await.done();
    let report: Value = serde_json::from_str(&kept.run(&drain).end().await.done()).unwrap();
    assert_eq!(report[0]["events"], 1);
    assert_eq!(
        count(&database, "select count(*) from public.steps").await,
        200
    );
    let report: Value = serde_json::from_str(&kept.run(&drain).end().await.done()).unwrap();
    assert_eq!(
        (&report[0]["events"], &report[0]["left"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn drain_refuses_another_database_and_says_which_it_is() {
    let database = support::database().await;
    let kept = Kept::new(Uuid::from_u128(7));
    kept.keep(vec![record("a", 3)]).await;
    let ended = kept
        .run(&["drain", "--database-url", &database.url])
        .end()
        .await;
    ended.failed(
        1,
        &[
            "4 events for another database",
            &Uuid::from_u128(7).to_string(),
        ],
    );
    assert_eq!(kept.json(&["status"]).await["events"], 4);
    let away = kept
        .run(&["drain", "--database-url", "host=127.0.0.1 port=1 user=u"])
        .end()
        .await;
    assert_eq!(away.status, Some(1), "{}", away.err);
    assert_eq!(kept.json(&["status"]).await["events"], 4);
}
