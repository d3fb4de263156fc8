//! Files that were torn, damaged, moved, or are not for us.

use super::{
    super::{
        format::{FORMAT, HEADER_BYTES, Header},
        survey,
    },
    *,
};

/// The only segment of a spool with these records, cleanly closed.
async fn segment(options: &Options, records: &[Record]) -> (PathBuf, Vec<u8>) {
    let (spool, _reader) = open(options);
    spool.append(records.to_vec()).await.expect("room");
    spool.close().await;
    let path = segments(options).remove(0);
    let bytes = fs::read(&path).expect("a segment");
    (path, bytes)
}

/// What a spool of one file with these bytes gives, and what it has put aside.
async fn reopened(options: &Options, path: &Path, bytes: &[u8]) -> (Vec<Record>, u64) {
    fs::remove_dir_all(&options.dir).expect("a directory to remove");
    fs::create_dir(&options.dir).expect("a directory");
    put(path, bytes);
    let (spool, mut reader) = open(options);
    let given = rest(&spool, &mut reader).await;
    let quarantined = spool.status().quarantined;
    assert_eq!(quarantined > 0, count(options, "quarantined") > 0);
    spool.close().await;
    (
        given.into_iter().map(|(_, record)| record).collect(),
        quarantined,
    )
}

#[tokio::test]
async fn a_log_that_ends_anywhere_gives_exactly_the_records_before() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let records: Vec<_> = (1..4).map(|number| record(number, 2, 9)).collect();
    let (path, bytes) = segment(&options, &records).await;
    let mut ends = Vec::new();
    for number in 1..=3 {
        fs::remove_dir_all(&options.dir).expect("a directory to remove");
        ends.push(segment(&options, &records[..number]).await.1.len());
    }
    for spare in [0, 500] {
        for length in 0..=bytes.len() {
            let mut torn = bytes[..length].to_vec();
            torn.resize(length + spare, 0);
            let (given, quarantined) = reopened(&options, &path, &torn).await;
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(given, records[..whole], "{length} bytes");
            // a header that is cut off, but followed by zeros, was never written
            assert_eq!(quarantined, 0, "{length} bytes, {spare} zeros");
        }
    }
}

#[tokio::test]
async fn a_byte_that_flips_costs_one_record_at_most_and_is_not_overlooked() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let records: Vec<_> = (1..4).map(|number| record(number, 2, 9)).collect();
    let (path, bytes) = segment(&options, &records).await;
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            let (given, quarantined) = reopened(&options, &path, &flipped).await;
            if given.len() == 3 {
                assert!(at < 64, "byte {at}");
                assert_eq!(given, records);
            } else {
                let lost = (0..3).find(|lost| {
                    let mut left = records.clone();
                    left.remove(*lost);
                    left == given
                });
                assert!(lost.is_some(), "byte {at}: {given:?}");
                // a length of the last record that points behind the file may be a torn write
                assert!(quarantined == 1 || lost == Some(2), "byte {at}");
            }
            assert!(quarantined == 1 || given.len() == 2, "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_segment_that_was_repaired_by_hand_is_read_again() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let records: Vec<_> = (1..5).map(|number| record(number, 1, 50)).collect();
    let (path, bytes) = segment(&options, &records).await;
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    put(&path, &damaged);
    let (spool, mut reader) = open(&options);
    assert_eq!(spool.status().quarantined, 1);
    let given = rest(&spool, &mut reader).await;
    assert_eq!(given.len(), 3);
    spool.append(vec![record(9, 1, 50)]).await.expect("room");
    reader.finished(given[2].0).await.expect("deleted");
    spool.close().await;
    drop(reader);

    let found = survey(&options.dir).expect("a directory");
    assert_eq!((found.segments.len(), found.quarantined.len()), (1, 1));
    let kept = &found.quarantined[0];
    assert_eq!(
        fs::read(kept).expect("a copy"),
        damaged,
        "kept as it was found"
    );
    put(kept, &bytes);
    let back = options.dir.join(kept.file_name().expect("a name"));
    fs::rename(kept, back).expect("moved back");
    let (spool, mut reader) = open(&options);
    let given = rest(&spool, &mut reader).await;
    let rising = given.windows(2).all(|two| two[0].0 < two[1].0);
    assert!(rising, "sequences only rise");
    let mut left = records;
    left.push(given[4].1.clone());
    assert_eq!(
        given.iter().map(|(_, record)| record).collect::<Vec<_>>(),
        left.iter().collect::<Vec<_>>()
    );
    assert_eq!(left[4].steps.bytes[0], 9);
    reader.finished(given[4].0).await.expect("deleted");
    assert_eq!((spool.status().bytes, segments(&options).len()), (0, 0));
}

#[tokio::test]
async fn damage_that_comes_while_the_spool_is_open_is_put_aside_too() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, mut reader) = open(&options);
    let records: Vec<_> = (1..5).map(|number| record(number, 1, 50)).collect();
    spool.append(records).await.expect("room");
    let path = segments(&options).remove(0);
    let mut bytes = fs::read(&path).expect("a segment");
    let at = bytes
        .windows(50)
        .position(|row| row == [2; 50])
        .expect("the second row");
    bytes[at] = 3;
    put(&path, &bytes);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let (sequence, record) = next(&mut reader).await;
        numbers.push((sequence, record.steps.bytes[0]));
    }
    assert_eq!(numbers, [(1, 1), (3, 3), (4, 4)]);
    assert_eq!(
        (spool.status().quarantined, count(&options, "quarantined")),
        (1, 1)
    );
    reader.finished(4).await.expect("deleted");
    let status = spool.status();
    assert_eq!((status.records, status.events, status.bytes), (0, 0, 0));
}

#[tokio::test]
async fn a_segment_that_is_missing_is_said_and_the_others_are_given() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (spool, reader) = open(&options);
    for number in 0..9 {
        spool
            .append(vec![record(number, 1, 1000)])
            .await
            .expect("room");
    }
    spool.close().await;
    drop(reader);
    fs::remove_file(&segments(&options)[1]).expect("a segment to lose");
    let (spool, mut reader) = open(&options);
    assert_eq!(spool.status().quarantined, 1);
    let given: Vec<_> = rest(&spool, &mut reader)
        .await
        .iter()
        .map(|r| r.0)
        .collect();
    assert_eq!(given, [1, 2, 3, 7, 8, 9]);
}

#[tokio::test]
async fn events_of_another_database_are_refused_and_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (path, bytes) = segment(&options, &[record(1, 2, 20), record(2, 1, 20)]).await;
    let other = Options {
        database: Uuid::from_u128(99),
        ..options.clone()
    };
    let refused = Spool::open(other.clone());
    let Err(Error::Foreign {
        events: 3,
        found,
        wanted,
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((found, wanted), (OURS, other.database));
    assert_eq!(fs::read(&path).expect("a segment"), bytes);
    // nothing was ever appended to this one
    put(
        &path,
        &bytes[..usize::try_from(HEADER_BYTES).expect("small")],
    );
    let (spool, _reader) = open(&other);
    assert_eq!((spool.status().records, segments(&options).len()), (0, 0));
}

#[tokio::test]
async fn a_segment_of_a_newer_program_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let options = options(&dir);
    let (path, mut bytes) = segment(&options, &[record(1, 2, 20)]).await;
    let mut header = Header::decode(&bytes).expect("a header");
    header.format = FORMAT + 1;
    bytes[..64].copy_from_slice(&header.encode());
    put(&path, &bytes);
    let refused = Spool::open(options.clone());
    assert!(
        matches!(
            refused,
            Err(Error::Newer {
                found: 2,
                known: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).expect("a segment"), bytes);
    assert!(survey(&options.dir).expect("a directory").segments[0].newer);
}
