use super::*;
use crate::{
    event::{FlowEnd, FlowStart, Micros},
    ingest::{
        queue::{Budget, Mark, Part},
        row::{self, Source},
        ticket::{Outcome, ticket},
    },
};

fn time(micros: u32) -> Micros {
    Micros::from_unix("time", 1_000, i64::from(micros) * 1_000).expect("a time")
}

fn start(instance: &str, status: &'static str, original: &'static str) -> Vec<u8> {
    let start = FlowStart {
        instance,
        started_at: time(0),
        ended_at: Some(time(1)),
        flow: Some("order"),
        status: Some(status),
        original: Some(original),
        parent: None,
        parent_flow: None,
        input: Some(b"{\"in\":1}"),
        misc: None,
    };
    let mut row = Vec::new();
    row::start(&mut row, &source(), &start);
    row
}

fn end(instance: &str, kind: Kind, started_at: Option<u32>) -> Vec<u8> {
    let end = FlowEnd {
        instance,
        started_at: started_at.map(time),
        ended_at: time(41_007),
        status: Some("Completed"),
        flow: Some("other"),
        output: Some(b"{\"out\":2}"),
    };
    let mut row = Vec::new();
    row::end(&mut row, &source(), kind, &end);
    row
}

fn source() -> Source {
    Source {
        user: "acme".into(),
        app: "orders".into(),
        version: "1".into(),
        host: "vm".into(),
    }
}

/// A batch of these rows, one part each.
fn batch(rows: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    for row in rows {
        let mark = Mark {
            end: row.len().try_into().expect("small"),
            index: 0,
            complete_only: false,
        };
        let permit = Budget::new(0).nothing();
        batch.push(Part {
            steps: Rows::default(),
            flows: Rows {
                bytes: row.clone().into(),
                marks: vec![mark],
            },
            reruns: false,
            resent: false,
            registration: None,
            app: None,
            share: ticket(Outcome::default(), permit).0.share(),
        });
    }
    batch
}

/// The rows that are copied, the ends of starts elsewhere, and what is staged.
fn fold(rows: &[Vec<u8>]) -> (Vec<String>, Vec<usize>, Vec<usize>) {
    let batch = batch(rows);
    let folded = batch.fold(0..rows.len());
    let pieces: Vec<u8> = folded
        .rows
        .iter()
        .flat_map(|piece| piece.to_vec())
        .collect();
    let mut rest = &pieces[..];
    let mut found = Vec::new();
    while let Some((columns, behind)) = rest.split_first_chunk() {
        assert_eq!(columns, &COLUMNS);
        let mut columns = Columns(behind);
        let mut values = Vec::new();
        for column in 0..17 {
            let value = columns.value().expect("a whole row");
            values.push(match value {
                None => "-".to_owned(),
                Some(time) if matches!(column, 6 | 7) => {
                    let micros = i64::from_be_bytes(time.try_into().expect("a time"));
                    (micros - time_zero()).to_string()
                }
                Some(text) => String::from_utf8_lossy(text).into_owned(),
            });
        }
        found.push(values.join("|"));
        rest = columns.0;
    }
    let ends = folded.ends.iter().map(|end| end.number).collect();
    (found, ends, folded.rest)
}

fn time_zero() -> i64 {
    time(0).since_2000()
}

#[test]
fn a_start_and_its_end_are_one_row() {
    let rows = [
        start("i", "Created", ""),
        start("j", "Created", ""),
        end("i", Kind::End, Some(0)),
    ];
    let i =
        "i|acme|orders|1|order|vm|0|41007|Completed|-|-|-||{\"in\":1}|{\"out\":2}|41.007|\0\0\0\0";
    let j = "j|acme|orders|1|order|vm|0|1|Created|-|-|-||{\"in\":1}|-|-|\0\0\0\0";
    assert_eq!(
        fold(&rows),
        (vec![i.to_owned(), j.to_owned()], vec![], vec![])
    );
    assert_eq!(fold(&[rows[2].clone(), rows[0].clone()]).0, [i]);
}

#[test]
fn what_is_not_as_simple_is_left_to_the_stage() {
    let check = |rows: &[Vec<u8>]| {
        let all: Vec<_> = (0..rows.len()).collect();
        assert_eq!(fold(rows), (vec![], vec![], all));
    };
    let one = start("i", "Created", "");
    check(&[end("i", Kind::End, None)]);
    check(&[end("i", Kind::CompleteOnly, Some(0))]);
    check(&[start("i", "Started", "")]);
    check(&[start("i", "Created", "o")]);
    check(&[one.clone(), one.clone()]);
    check(&[one.clone(), end("i", Kind::End, Some(1))]);
    check(&[one.clone(), end("i", Kind::End, None)]);
    check(&[one.clone(), end("i", Kind::CompleteOnly, Some(0))]);
    let ended = end("i", Kind::End, Some(0));
    check(&[ended.clone(), ended.clone()]);
    check(&[one.clone(), ended.clone(), ended]);
    check(&[vec![0, 16, 0]]);
}

#[test]
fn an_end_whose_start_is_elsewhere_has_its_values_as_they_were_encoded() {
    let rows = [
        end("i", Kind::End, Some(0)),
        start("j", "Created", ""),
        end("k", Kind::End, Some(7)),
    ];
    assert_eq!(fold(&rows).1, [0, 2]);
    let batch = batch(&rows);
    let end = &batch.fold(1..3).ends[0];
    assert_eq!((end.number, end.instance), (2, "k"));
    let time = |micros| time(micros).since_2000().to_be_bytes();
    let values = end.values.map(|value| value.expect("it says so"));
    assert_eq!(
        values,
        [
            &b"k"[..],
            b"acme",
            b"orders",
            b"1",
            b"other",
            b"vm",
            &time(7),
            &time(41_007),
            b"Completed",
            b"{\"out\":2}"
        ]
    );
}

#[test]
fn the_others_of_a_batch_are_named_by_their_numbers() {
    let rows = [
        end("a", Kind::End, Some(0)),
        start("b", "Created", ""),
        start("c", "Started", ""),
        end("b", Kind::End, Some(0)),
        end("c", Kind::End, Some(0)),
    ];
    let batch = batch(&rows);
    let folded = batch.fold(1..5);
    assert_eq!(folded.rest, [2, 4]);
    let staged: Vec<_> = batch.flow_slices(&folded.rest);
    assert_eq!(staged, [rows[2].clone(), rows[4].clone()]);
}

#[test]
fn times_are_written_as_the_database_writes_them() {
    let check = |micros, text: &str| assert_eq!(execution_time(micros), text);
    check(0, "0.000");
    check(7, "0.007");
    check(41_000, "41.000");
    check(-1_500, "-1.500");
    check(-5, "-0.005");
    check(i64::MIN, "-9223372036854775.808");
}
