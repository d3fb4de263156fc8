//! What is appended comes back in order; finished segments go away.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn what_was_appended_is_given_back_in_order_and_the_space_with_it() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    assert_eq!(
        segments(&options).len(),
        0,
        "nothing before the first append"
    );
    for number in 0..20 {
        let records = vec![record(number, 2, 300), record(number, 0, 0)];
        spool.append(records).await.expect("room");
    }
    let status = spool.status();
    assert_eq!(
        (status.records, status.events, status.appended),
        (40, 40, 40)
    );
    assert!(status.takes && status.bytes > 12_000 && status.oldest_age.is_some());
    assert!(segments(&options).len() > 2, "several segments");
    for expected in 1..=40_u64 {
        let (sequence, given) = next(&mut reader).await;
        assert_eq!(sequence, expected);
        let number = u8::try_from((expected - 1) / 2).expect("a small number");
        assert_eq!(
            given.steps.marks.len(),
            if expected % 2 == 1 { 2 } else { 0 }
        );
        assert!(given.steps.bytes.iter().all(|byte| *byte == number));
        reader.finished(sequence).await.expect("deleted");
    }
    let status = spool.status();
    assert_eq!((status.records, status.events, status.drained), (0, 0, 40));
    assert_eq!((status.bytes, status.oldest_age), (0, None));
    assert_eq!(segments(&options).len(), 0, "an idle spool takes no space");
    spool.append(vec![record(9, 1, 1)]).await.expect("room");
    assert_eq!(next(&mut reader).await.0, 41, "the sequence goes on");
    spool.close().await;
    assert_eq!(
        spool.append(vec![record(1, 1, 1)]).await,
        Err(super::super::Refused::Closed)
    );
}

#[tokio::test]
async fn what_is_not_finished_is_given_again_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    let mut old = record(0, 2, 300);
    old.spooled_at -= 60_000_000;
    spool.append(vec![old]).await.expect("room");
    for number in 1..10 {
        spool
            .append(vec![record(number, 2, 300)])
            .await
            .expect("room");
    }
    let (sequence, _) = next(&mut reader).await;
    spool.close().await;
    drop(reader);
    let held: u64 = segments(&options)
        .iter()
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    assert_eq!(held, spool.status().bytes, "spare space was given back");

    let (spool, mut reader) = open(&options);
    let status = spool.status();
    assert_eq!(
        (status.records, status.events, status.bytes),
        (10, 20, held)
    );
    assert!(status.oldest_age >= Some(Duration::from_mins(1)));
    assert_eq!(next(&mut reader).await.0, sequence);
    reader.finished(sequence).await.expect("nothing to delete");
    spool.append(vec![record(10, 1, 10)]).await.expect("room");
    let last = rest(&spool, &mut reader).await.pop().expect("records");
    assert_eq!((last.0, last.1.steps.bytes.len()), (11, 10));
    reader.finished(11).await.expect("deleted");
    assert_eq!((spool.status().bytes, segments(&options).len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_many_concurrent_appends_is_answered() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    let appends = (0..30).map(|number| {
        let spool = spool.clone();
        async move { spool.append(vec![record(number, 1, 500)]).await }
    });
    assert!(join_all(appends).await.iter().all(Result::is_ok));
    let mut numbers: Vec<_> = rest(&spool, &mut reader)
        .await
        .iter()
        .map(|(_, record)| record.steps.bytes[0])
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_that_is_larger_than_a_segment_gets_one_of_its_own() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    let large = record(1, 3, 50_000);
    spool
        .append(vec![record(0, 1, 10), large.clone(), record(2, 1, 10)])
        .await
        .expect("room");
    let given = rest(&spool, &mut reader).await;
    assert_eq!(given[1], (2, large));
    assert_eq!(segments(&options).len(), 3);
}

#[tokio::test]
async fn waiting_for_the_next_record_can_be_given_up() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    for number in 0..50 {
        spool
            .append(vec![record(number, 1, 500)])
            .await
            .expect("room");
    }
    let mut given = Vec::new();
    while given.len() < 50 {
        let mut next = std::pin::pin!(reader.next());
        // polled once, then dropped
        if let std::task::Poll::Ready(record) = futures_util::poll!(&mut next) {
            given.push(record.expect("a healthy disk").0);
        } else {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(given, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_spool_is_used_by_one_service_only() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, reader) = open(&options);
    let again = Spool::open(options.clone());
    let ours = std::process::id();
    assert!(matches!(again, Err(Error::InUse { pid: Some(pid), .. }) if pid == ours));
    spool.close().await;
    let (other, _other) = open(&options);
    other.close().await;
    drop(reader);
}
