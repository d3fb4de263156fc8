//! Rows that the database refuses, and what an operator sees of a spool.

use super::{
    super::{metrics, rejected, rejected_row, retry, survey},
    *,
};
use crate::{
    event::{Invalid, Reason},
    ingest::ticket::Rejection,
};

fn rejection(index: u32) -> Rejection {
    Rejection {
        index,
        invalid: Invalid::new(Reason::RefusedByDatabase, "violates a check"),
    }
}

/// Waits until `is` holds.
async fn eventually(what: &str, is: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} does not happen");
}

#[tokio::test]
async fn a_refused_row_is_kept_once_shown_and_tried_again() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    let mut both = record(1, 3, 20);
    both.flows = record(7, 2, 30).steps;
    spool.append(vec![both.clone()]).await.expect("room");
    let (sequence, given) = next(&mut reader).await;
    let refused = [rejection(1), rejection(4)];
    reader
        .reject(sequence, &given, &refused)
        .await
        .expect("kept");
    reader
        .reject(sequence, &given, &refused)
        .await
        .expect("kept");
    assert_eq!(spool.status().rejected, 2);
    spool.close().await;
    drop(reader);

    let (spool, mut reader) = open(&options);
    let (sequence, given) = next(&mut reader).await;
    reader
        .reject(sequence, &given, &refused)
        .await
        .expect("kept");
    assert_eq!(spool.status().rejected, 0, "the same rows were kept before");
    reader.finished(sequence).await.expect("deleted");

    let kept = rejected(&options.dir).expect("a directory");
    assert_eq!(kept.len(), 2);
    let why = &kept[1].why;
    assert_eq!(
        (&*why.reason, &*why.table),
        ("violates a check", "flowstate")
    );
    assert_eq!(why.app.as_deref(), Some("app"));
    let (found, row) = rejected_row(&options.dir, &kept[1].name)
        .expect("a file")
        .expect("a healthy one");
    assert_eq!(&found, why);
    assert_eq!(
        (row.steps.marks.len(), &row.flows.bytes[..]),
        (0, &[7; 30][..])
    );
    assert_eq!((row.flows.marks[0].end, row.flows.marks[0].index), (30, 1));

    let names = [kept[0].name.clone(), "../lock".to_owned()];
    let missing = retry(&options.dir, &names).expect("moved");
    assert_eq!(missing, ["../lock"]);
    let (sequence, again) = next(&mut reader).await;
    assert_eq!((again.events(), &again.steps.bytes[..]), (1, &[1; 20][..]));
    assert_eq!(again.app, both.app);
    eventually("deleting the file", || count(&options, "retry") == 0).await;
    reader.finished(sequence).await.expect("deleted");
    assert_eq!(rejected(&options.dir).expect("a directory").len(), 1);
    let kept = || spool.shared.state().rejected_kept;
    eventually("counting what is left", || kept() == 1).await;
}

#[tokio::test]
async fn rows_that_were_moved_while_no_service_ran_are_taken_up_at_the_start() {
    moved_before_the_start("row").await;
}

#[tokio::test]
async fn rows_that_a_crash_left_half_taken_up_are_taken_up_at_the_start() {
    moved_before_the_start("taken").await;
}

/// A service that starts with a row in `retry/` whose name ends in `extension`.
async fn moved_before_the_start(extension: &str) {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    spool.append(vec![record(5, 2, 20)]).await.expect("room");
    let (sequence, given) = next(&mut reader).await;
    reader
        .reject(sequence, &given, &[rejection(0)])
        .await
        .expect("kept");
    reader.finished(sequence).await.expect("deleted");
    spool.close().await;
    drop(reader);
    let names: Vec<_> = rejected(&options.dir)
        .expect("a directory")
        .into_iter()
        .map(|row| row.name)
        .collect();
    assert!(retry(&options.dir, &names).expect("moved").is_empty());
    let row = options.dir.join("retry").join(format!("{}.row", names[0]));
    std::fs::rename(&row, row.with_extension(extension)).expect("it is there");
    assert_eq!(survey(&options.dir).expect("a directory").retried, 1);
    let (_spool, mut reader) = open(&options);
    assert_eq!(next(&mut reader).await.1.steps.bytes, &[5; 20][..]);
}

#[tokio::test]
async fn a_look_at_a_spool_shows_what_it_holds_and_who_uses_it() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let empty = survey(&options.dir).expect("no directory is no spool");
    assert!(!empty.in_use && empty.segments.is_empty());
    let (spool, _reader) = open(&options);
    let records = vec![record(1, 3, 20), record(2, 2, 20)];
    let times = (records[0].spooled_at, records[1].spooled_at);
    spool.append(records).await.expect("room");
    let found = survey(&options.dir).expect("a directory");
    assert_eq!((found.in_use, found.pid), (true, Some(std::process::id())));
    let segment = &found.segments[0];
    assert_eq!(
        (segment.records, segment.events, segment.bytes),
        (2, 5, 4096)
    );
    assert_eq!(segment.database, Some(OURS));
    assert_eq!(
        (segment.oldest_at, segment.newest_at),
        (Some(times.0), Some(times.1))
    );
    assert_eq!((segment.damage.len(), segment.torn), (0, 0));
    spool.close().await;
    let found = survey(&options.dir).expect("a directory");
    assert!(!found.in_use);
    assert_eq!(found.segments[0].bytes, found.segments[0].end);
}

#[tokio::test]
async fn what_the_spool_holds_is_measured() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, _reader) = open(&options);
    let mut registry = prometheus_client::registry::Registry::default();
    metrics::register(&mut registry, &spool);
    spool.append(vec![record(1, 3, 20)]).await.expect("room");
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
    for line in [
        "flowtrail_spool_bytes 4096",
        "flowtrail_spool_limit_bytes 1048576",
        "flowtrail_spool_pending_events 3",
        "flowtrail_spool_appended_events_total 3",
        "flowtrail_spool_drained_events_total 0",
        "flowtrail_spool_rejected_rows 0",
        "flowtrail_spool_sync_seconds_count 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    assert!(text.contains("flowtrail_spool_oldest_age_seconds "));
}
