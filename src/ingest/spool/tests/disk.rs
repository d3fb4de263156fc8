//! A disk that is full or broken, and a spool that has used what it may.

use super::{super::Refused, *};

fn open_on_broken(options: &Options) -> (Spool, Reader, Arc<Faults>) {
    let disk = Disk::default();
    let faults = Arc::clone(&disk.faults);
    let (spool, reader) = Spool::open_on(disk, options.clone()).expect("a spool that opens");
    (spool, reader, faults)
}

#[tokio::test]
async fn a_full_spool_refuses_until_a_segment_is_finished() {
    let dir = TempDir::new().expect("a directory");
    let options = Options {
        limit_bytes: 12_300,
        ..options(&dir)
    };
    let (spool, mut reader) = open(&options);
    let mut kept = 0;
    let refused = loop {
        match spool.append(vec![record(1, 1, 1000)]).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Full);
    let status = spool.status();
    assert!(!status.takes && status.bytes <= 12_300);
    assert_eq!((kept, status.records), (9, 9));
    spool
        .append(vec![record(2, 1, 100)])
        .await
        .expect("the active segment has room");
    let large = vec![record(3, 1, 100), record(3, 1, 1000)];
    assert_eq!(spool.append(large).await, Err(Refused::Full));
    for _ in 0..3 {
        let (sequence, _) = next(&mut reader).await;
        reader.finished(sequence).await.expect("deleted");
    }
    // the reader learns that the first segment is over when it goes on
    let (sequence, _) = next(&mut reader).await;
    reader.finished(sequence).await.expect("deleted");
    assert!(spool.status().takes);
    spool
        .append(vec![record(4, 1, 1000)])
        .await
        .expect("room again");
    let left = rest(&spool, &mut reader).await;
    let numbers: Vec<_> = left
        .iter()
        .map(|(_, record)| record.steps.bytes[0])
        .collect();
    assert_eq!(
        numbers,
        [1, 1, 1, 1, 1, 2, 4],
        "of a refused append nothing is kept"
    );
}

#[tokio::test]
async fn room_for_less_than_what_waits_is_not_enough() {
    let dir = TempDir::new().expect("a directory");
    let options = Options {
        limit_bytes: 4_500,
        ..options(&dir)
    };
    let (spool, _reader) = open(&options);
    spool.append(vec![record(1, 1, 1000)]).await.expect("room");
    assert!(spool.status().takes);
    let more = || (0..3).map(|_| record(2, 1, 1000)).collect();
    assert_eq!(spool.append(more()).await, Err(Refused::Full));
    assert!(
        !spool.status().takes,
        "whoever waits asks for as much again"
    );
    spool.append(vec![record(3, 1, 100)]).await.expect("room");
    assert!(spool.status().takes);
}

#[tokio::test]
async fn a_full_disk_refuses_a_group_and_nothing_of_it_is_kept() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader, faults) = open_on_broken(&options);
    faults.full.store(true, Ordering::Relaxed);
    let refused = spool.append(vec![record(1, 1, 100)]).await;
    assert!(matches!(refused, Err(Refused::Disk(_))), "{refused:?}");
    assert_eq!((segments(&options).len(), spool.status().takes), (0, false));

    faults.full.store(false, Ordering::Relaxed);
    spool.append(vec![record(2, 1, 100)]).await.expect("room");
    assert!(spool.status().takes);
    faults.full.store(true, Ordering::Relaxed);
    let refused = spool
        .append(vec![record(3, 1, 500), record(3, 1, 500)])
        .await;
    assert!(matches!(refused, Err(Refused::Disk(_))), "{refused:?}");
    faults.full.store(false, Ordering::Relaxed);
    spool.append(vec![record(4, 1, 10)]).await.expect("room");
    assert_eq!(segments(&options).len(), 1, "the same segment goes on");
    let given = rest(&spool, &mut reader).await;
    let numbers: Vec<_> = given.iter().map(|(n, r)| (*n, r.steps.bytes[0])).collect();
    assert_eq!(numbers, [(1, 2), (2, 4)]);
    spool.close().await;
    drop(reader);
    let (spool, mut reader) = open(&options);
    assert_eq!(
        rest(&spool, &mut reader).await,
        given,
        "nothing of it is found later"
    );
    assert_eq!(spool.status().quarantined, 0);
}

#[tokio::test]
async fn a_failed_sync_closes_the_segment_and_refuses_what_was_not_synced() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader, faults) = open_on_broken(&options);
    spool.append(vec![record(1, 1, 100)]).await.expect("room");
    let first = segments(&options).remove(0);
    faults.unsynced.store(true, Ordering::Relaxed);
    let refused = spool.append(vec![record(2, 1, 100)]).await;
    assert!(matches!(refused, Err(Refused::Disk(_))), "{refused:?}");
    let written = fs::read(&first).expect("the first segment");
    spool.append(vec![record(3, 1, 100)]).await.expect("room");
    assert_eq!(segments(&options).len(), 2, "a new segment");
    assert_eq!(
        fs::read(&first).expect("the first segment"),
        written,
        "is not written to"
    );
    let given = rest(&spool, &mut reader).await;
    let numbers: Vec<_> = given.iter().map(|(n, r)| (*n, r.steps.bytes[0])).collect();
    assert_eq!(numbers, [(1, 1), (2, 3)]);
    reader.finished(2).await.expect("deleted");
    assert_eq!(segments(&options).len(), 0);
}

#[tokio::test]
async fn a_failed_sync_of_a_new_segment_leaves_none() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader, faults) = open_on_broken(&options);
    faults.unsynced.store(true, Ordering::Relaxed);
    let refused = spool.append(vec![record(1, 1, 100)]).await;
    assert!(matches!(refused, Err(Refused::Disk(_))), "{refused:?}");
    assert_eq!(segments(&options).len(), 0);
    spool.append(vec![record(2, 1, 100)]).await.expect("room");
    assert_eq!(next(&mut reader).await.0, 1);
}
