//! Which rows of a batch are still to be written, and which the database refuses: halving until a
//! row at fault stands alone.

use std::ops::Range;

use crate::pg::Retry;

/// Rows of a batch that may be refused for one cause before the table is held to be at fault.
pub const TOLERATED: usize = 8;

const TABLE_AT_FAULT: Retry = Retry::AfterFix(
    "the table refuses one row after another for the same reason: undo the change of the table that does, such as a column `not null` without a default",
);

/// What refused rows have in common when it is not their own fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The SQLSTATE.
    pub code: String,
    /// The constraint or the column.
    pub constraint: Option<String>,
}

/// What a failure means for the rows that were tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do; [`Retry::Never`] speaks against the rows.
    pub retry: Retry,
    /// What they are refused for.
    pub cause: Cause,
    /// No row at all could pass.
    pub every_row: bool,
    /// Half of them may do.
    pub took_too_long: bool,
}

/// The work list of one batch.
#[derive(Debug)]
pub struct Bisect {
    todo: Vec<Range<usize>>,
    refused: Vec<(usize, Cause)>,
    at_fault: Option<Cause>,
}

impl Bisect {
    /// All rows of a batch are to be written.
    #[expect(clippy::single_range_in_vec_init, reason = "a list of ranges")]
    pub fn new(rows: usize) -> Self {
        Self {
            todo: vec![0..rows],
            refused: Vec::new(),
            at_fault: None,
        }
    }

    /// The rows to be tried next; none when each is stored or refused.
    pub fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rows = self.todo.pop()?;
            if !rows.is_empty() {
                return Some(rows);
            }
        }
    }

    /// What was tried last is stored.
    pub fn stored(&mut self) {
        self.at_fault = None;
    }

    /// `rows` were tried in vain. Answers with what to wait for before the next try, if anything.
    pub fn failed(&mut self, rows: Range<usize>, verdict: &Verdict) -> Option<Retry> {
        if verdict.retry != Retry::Never {
            if verdict.took_too_long {
                self.halve(rows);
            } else {
                self.todo.push(rows);
            }
            return Some(verdict.retry);
        }
        let cause = &verdict.cause;
        if verdict.every_row || self.at_fault.as_ref() == Some(cause) {
            self.todo.push(rows);
            return Some(TABLE_AT_FAULT);
        }
        if rows.len() > 1 {
            self.halve(rows);
            return None;
        }
        tracing::warn!(
            code = cause.code,
            constraint = cause.constraint,
            "the database refuses a row"
        );
        self.refused.push((rows.start, cause.clone()));
        let same = |(_, other): &(usize, Cause)| other == cause;
        if self.refused.iter().filter(|row| same(row)).count() <= TOLERATED {
            return None;
        }
        let acquitted = self.refused.extract_if(.., |row| same(row));
        self.todo.extend(acquitted.map(|(row, _)| row..row + 1));
        self.at_fault = Some(cause.clone());
        Some(TABLE_AT_FAULT)
    }

    /// The rows that are neither stored nor refused.
    pub fn rest(&self) -> &[Range<usize>] {
        &self.todo
    }

    /// Nothing more is to be written by whoever works through this list.
    pub fn leave(&mut self) {
        self.todo.clear();
    }

    /// The rows that the database refuses.
    pub fn refused(&self) -> &[(usize, Cause)] {
        &self.refused
    }

    fn halve(&mut self, rows: Range<usize>) {
        let middle = rows.start + rows.len().div_ceil(2);
        self.todo.push(middle..rows.end);
        self.todo.push(rows.start..middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(retry: Retry) -> Verdict {
        Verdict {
            retry,
            cause: Cause {
                code: "23514".into(),
                constraint: Some("positive".into()),
            },
            every_row: false,
            took_too_long: false,
        }
    }

    /// Plays a table that refuses `poison`, until everything is decided or something is waited for.
    fn play(bisect: &mut Bisect, poison: &[usize]) -> (Vec<usize>, Option<Retry>) {
        let mut stored = Vec::new();
        while let Some(rows) = bisect.next() {
            if poison.iter().any(|row| rows.contains(row)) {
                let wait = bisect.failed(rows, &verdict(Retry::Never));
                if wait.is_some() {
                    return (stored, wait);
                }
            } else {
                bisect.stored();
                stored.extend(rows);
            }
        }
        (stored, None)
    }

    #[test]
    fn rows_at_fault_are_refused_and_their_neighbours_stored() {
        let check = |poison: &[usize]| {
            let mut bisect = Bisect::new(10_000);
            let (stored, wait) = play(&mut bisect, poison);
            assert_eq!(wait, None);
            assert_eq!(stored.len(), 10_000 - poison.len());
            let refused: Vec<_> = bisect.refused().iter().map(|(row, _)| *row).collect();
            assert_eq!(refused, poison);
        };
        check(&[]);
        check(&[0]);
        check(&[4_711]);
        check(&[9_999]);
        check(&[0, 1, 2, 3, 5_000, 5_001, 9_998, 9_999]);
    }

    #[test]
    fn a_table_that_refuses_more_than_eight_rows_for_one_cause_is_at_fault_itself() {
        let mut bisect = Bisect::new(100);
        let poison: Vec<_> = (10..30).collect();
        let (mut stored, wait) = play(&mut bisect, &poison);
        assert_eq!(wait, Some(TABLE_AT_FAULT));
        let (none, wait) = play(&mut bisect, &poison);
        assert_eq!(
            (none.len(), wait),
            (0, Some(TABLE_AT_FAULT)),
            "one row is tried, then waited"
        );
        let (rest, wait) = play(&mut bisect, &[]);
        stored.extend(rest);
        stored.sort_unstable();
        assert_eq!((stored, wait), ((0..100).collect(), None));
        assert_eq!(bisect.refused(), []);
    }

    #[test]
    fn what_no_row_could_pass_is_not_held_against_a_row() {
        let mut bisect = Bisect::new(1);
        let rows = bisect.next().expect("a row");
        let verdict = Verdict {
            every_row: true,
            ..verdict(Retry::Never)
        };
        assert_eq!(bisect.failed(rows, &verdict), Some(TABLE_AT_FAULT));
        assert_eq!(bisect.next(), Some(0..1));
    }

    #[test]
    fn what_took_too_long_is_halved_and_what_else_fails_is_tried_again_as_it_is() {
        let mut bisect = Bisect::new(3);
        let rows = bisect.next().expect("rows");
        assert_eq!(
            bisect.failed(rows, &verdict(Retry::Backoff)),
            Some(Retry::Backoff)
        );
        let rows = bisect.next().expect("rows");
        assert_eq!(rows, 0..3);
        let slow = Verdict {
            took_too_long: true,
            ..verdict(Retry::Backoff)
        };
        bisect.failed(rows, &slow);
        assert_eq!(
            (bisect.next(), bisect.next(), bisect.next()),
            (Some(0..2), Some(2..3), None)
        );
        bisect.failed(2..3, &slow);
        assert_eq!(
            (bisect.next(), bisect.next()),
            (Some(2..3), None),
            "a row cannot be halved"
        );
    }
}
