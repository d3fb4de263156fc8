//! Any order of appending, reading, finishing and restarting, against a plain list.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Append this many records with rows of this size.
    Append(usize, u32),
    Next,
    /// Everything given so far, but this many, is finished.
    Finish(usize),
    /// Close, or only drop, and open again.
    Restart {
        clean: bool,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..4_usize, 1..2500_u32).prop_map(|(records, bytes)| Act::Append(records, bytes)),
        5 => Just(Act::Next),
        3 => (0..4_usize).prop_map(Act::Finish),
        1 => any::<bool>().prop_map(|clean| Act::Restart { clean }),
    ];
    vec(act, 1..60)
}

async fn play(acts: Vec<Act>) {
    let dir = TempDir::new().expect("a directory");
    let mut options = options(&dir);
    options.limit_bytes = 8 << 20;
    let (mut spool, mut reader) = open(&options);
    // not finished, in order; how many of them are given, with their sequences
    let (mut kept, mut given) = (Vec::<Record>::new(), Vec::<u64>::new());
    let mut number = 0_u8;
    for act in acts {
        match act {
            Act::Append(records, bytes) => {
                let records: Vec<_> = (0..records)
                    .map(|_| {
                        number = number.wrapping_add(1);
                        record(number, 1, bytes)
                    })
                    .collect();
                spool.append(records.clone()).await.expect("room");
                kept.extend(records);
            }
            Act::Next if given.len() < kept.len() => {
                let (sequence, record) = next(&mut reader).await;
                assert_eq!(record, kept[given.len()]);
                assert!(given.last().is_none_or(|last| *last < sequence));
                given.push(sequence);
            }
            Act::Next => {
                let none = timeout(Duration::from_millis(1), reader.next()).await;
                assert!(none.is_err(), "nothing is left");
            }
            Act::Finish(but) => {
                let done = given.len().saturating_sub(but);
                if done > 0 {
                    reader.finished(given[done - 1]).await.expect("deleted");
                    given.drain(..done);
                    kept.drain(..done);
                }
            }
            Act::Restart { clean } => {
                // as after a kill: a segment keeps its spare space
                let image = (!clean).then(|| copy(&options));
                spool.close().await;
                drop(reader);
                if let Some(image) = image {
                    fs::remove_dir_all(&options.dir).expect("a directory to remove");
                    fs::rename(image.keep(), &options.dir).expect("a directory to move");
                }
                (spool, reader) = open(&options);
                // segments that were finished in part are given again
                let again = spool.status().records;
                assert!(again >= kept.len() as u64);
                for _ in kept.len() as u64..again {
                    let sequence = next(&mut reader).await.0;
                    reader.finished(sequence).await.expect("deleted");
                }
                given.clear();
            }
        }
        let status = spool.status();
        assert_eq!(status.records, kept.len() as u64);
        assert_eq!(status.events, kept.len() as u64);
        assert_eq!(status.oldest_age.is_some(), !kept.is_empty());
        let disk: u64 = segments(&options)
            .iter()
            .map(|path| path.metadata().expect("a file").len())
            .sum();
        assert_eq!(status.bytes, disk);
        assert_eq!(status.quarantined, 0);
    }
    for expected in &kept[given.len()..] {
        assert_eq!(next(&mut reader).await.1, *expected);
    }
}

/// The spool's files as they are now.
fn copy(options: &Options) -> TempDir {
    let image = TempDir::new_in(options.dir.parent().expect("a parent")).expect("a directory");
    for path in segments(options) {
        let name = path.file_name().expect("a name");
        fs::copy(&path, image.path().join(name)).expect("a copy");
    }
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_spool_is_a_list_that_survives_restarts(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(play(acts));
    }
}
