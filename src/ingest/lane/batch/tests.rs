//! What is taken of a batch, and how it is answered.

use super::*;
use crate::ingest::{queue::Budget, ticket::ticket};

/// A part whose rows are single bytes.
fn part(steps: &[u8], flows: &[u8], complete_only: bool) -> Part {
    let rows = |bytes: &[u8]| Rows {
        bytes: Bytes::copy_from_slice(bytes),
        marks: (1..)
            .zip(bytes)
            .map(|(end, _)| Mark {
                end,
                index: 0,
                complete_only,
            })
            .collect(),
    };
    let permit = Budget::new(1).nothing();
    Part {
        steps: rows(steps),
        flows: rows(flows),
        reruns: false,
        resent: false,
        registration: None,
        app: None,
        share: ticket(Outcome::default(), permit).0.share(),
    }
}

#[test]
fn records_hold_the_rows_that_are_asked_for_part_by_part() {
    let mut batch = Batch::default();
    batch.push(part(b"ab", b"x", false));
    batch.push(part(b"cde", b"", false));
    batch.push(part(b"", b"yz", false));
    // rows: a b c d e x y z
    let check = |ranges: &[Range<usize>], expected: &[(&[u8], &[u8])]| {
        let records = batch.records(ranges, 7, true);
        let found: Vec<_> = records
            .iter()
            .map(|record| (&record.steps.bytes[..], &record.flows.bytes[..]))
            .collect();
        assert_eq!(found, expected, "{ranges:?}");
        for record in &records {
            assert!(record.resent && record.spooled_at == 7);
            let ends = record.steps.marks.iter().map(|mark| mark.end);
            assert!(ends.eq(1..=u32::try_from(record.steps.marks.len()).expect("few")));
        }
    };
    check(&[0..3, 3..8], &[(b"ab", b"x"), (b"cde", b""), (b"", b"yz")]);
    check(&[1..4, 7..8], &[(b"b", b""), (b"cd", b""), (b"", b"z")]);
    check(&[4..5, 2..3], &[(b"ce", b"")]);
    check(&[], &[]);
}

#[test]
fn parts_with_ends_that_make_no_row_stand_apart() {
    let mut batch = Batch::default();
    batch.push(part(b"a", b"x", false));
    batch.push(part(b"", b"y", true));
    batch.push(part(b"bc", b"", false));
    assert!(batch.complete_only());
    let (behind, rest) = batch.split_complete_only();
    assert_eq!((behind.rows(), rest.rows()), (1, 4));
    assert!(behind.complete_only() && !rest.complete_only());
}

#[test]
fn a_part_that_is_spooled_is_answered_so() {
    let permit = Budget::new(1).nothing();
    let (ticket, mut receipt) = ticket(Outcome::default(), permit);
    let mut batch = Batch::default();
    batch.push(Part {
        share: ticket.share(),
        ..part(b"ab", b"x", false)
    });
    drop(ticket);
    batch.note(1, Fate::Spooled);
    batch.settle();
    let answer = futures_util::FutureExt::now_or_never(receipt.answer());
    let outcome = answer.expect("answered").expect("not lost");
    assert!(outcome.spooled);
    assert_eq!(outcome.counts.recorded, 3);
}
