//! What one transaction may write: the parts a lane took, their rows numbered through.
//!
//! Rows have numbers: first the steps of all parts, then their starts and ends. A range of numbers
//! is what an attempt to write takes; halving ranges is how a row that the database refuses is found.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use bytes::Bytes;

use crate::{
    event::{Invalid, Reason},
    ingest::{
        queue::{Mark, Part, Registration, Rows},
        row,
        spool::Record,
        ticket::Outcome,
    },
};

/// How a row fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It is in the tables.
    #[default]
    Stored,
    /// Nothing was written for it.
    Superseded,
    /// An end that may make no row and found none.
    Skipped,
    /// It is in the spool.
    Spooled,
    /// The database refuses it; holds the SQLSTATE.
    Refused(String),
}

/// Parts taken together.
#[derive(Debug, Default)]
pub struct Batch {
    parts: Vec<Part>,
    steps: usize,
    flows: usize,
    bytes: usize,
    fates: Vec<(usize, Fate)>,
}

impl Batch {
    /// Adds a part behind those that are there.
    pub fn push(&mut self, part: Part) {
        self.steps += part.steps.marks.len();
        self.flows += part.flows.marks.len();
        self.bytes += part.steps.bytes.len() + part.flows.bytes.len();
        self.parts.push(part);
    }

    /// Adds the parts of `other` behind those that are there; neither has been tried.
    pub fn append(&mut self, other: Self) {
        for part in other.parts {
            self.push(part);
        }
    }

    /// Whether it has no part.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.steps + self.flows
    }

    /// Bytes of rows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether any of its events may be stored already.
    pub fn resent(&self) -> bool {
        self.parts.iter().any(|part| part.resent)
    }

    /// Whether any of its starts names an original.
    pub fn reruns(&self) -> bool {
        self.parts.iter().any(|part| part.reruns)
    }

    /// Whether any of its ends may make no row.
    pub fn complete_only(&self) -> bool {
        let mut marks = self.parts.iter().flat_map(|part| &part.flows.marks);
        marks.any(|mark| mark.complete_only)
    }

    /// The apps to register, each once.
    pub fn registrations(&self) -> Vec<&Registration> {
        let mut apps: Vec<_> = self
            .parts
            .iter()
            .filter_map(|p| p.registration.as_ref())
            .collect();
        apps.sort();
        apps.dedup();
        apps
    }

    /// The steps among `rows`, numbered from 0.
    pub fn step_range(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start.min(self.steps)..rows.end.min(self.steps)
    }

    /// The starts and ends among `rows`, numbered from 0.
    pub fn flow_range(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start.max(self.steps) - self.steps..rows.end.max(self.steps) - self.steps
    }

    /// The number of the first start or end.
    pub fn first_flow(&self) -> usize {
        self.steps
    }

    /// Encoded steps of a [`Batch::step_range`], a slice for each part.
    pub fn step_slices(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        slices(self.parts.iter().map(|part| &part.steps), range)
    }

    /// Encoded starts and ends, by their numbers in rising order; those that follow each other in a
    /// part are one slice.
    pub fn flow_slices(&self, mut numbers: &[usize]) -> Vec<Bytes> {
        let mut slices = Vec::new();
        let mut first = 0;
        for part in &self.parts {
            let rows = &part.flows;
            let behind = first + rows.marks.len();
            let (own, others) = numbers.split_at(numbers.partition_point(|n| *n < behind));
            for run in own.chunk_by(|one, next| one + 1 == *next) {
                let begin = rows.begin(run[0] - first);
                let end = rows.begin(run[0] - first + run.len());
                slices.push(rows.bytes.slice(begin..end));
            }
            (numbers, first) = (others, behind);
        }
        slices
    }

    /// The starts and ends of a [`Batch::flow_range`], one by one, each with the rows it is among.
    pub fn flow_rows(&self, range: Range<usize>) -> impl Iterator<Item = (&Rows, &[u8])> {
        rows(self.parts.iter().map(|part| &part.flows), range)
    }

    /// The instances that rows happened to, each once.
    pub fn instances(&self, rows: &Range<usize>) -> Vec<&str> {
        let steps = self.parts.iter().map(|part| &part.steps);
        let steps = self::rows(steps, self.step_range(rows));
        let flows = self.flow_rows(self.flow_range(rows));
        let instances: HashSet<_> = steps
            .chain(flows)
            .map(|(_, encoded)| row::instance(encoded))
            .collect();
        instances.into_iter().collect()
    }

    /// Notes the fate of a row that was not simply stored.
    pub fn note(&mut self, row: usize, fate: Fate) {
        self.fates.push((row, fate));
    }

    /// The encoded steps that are in the tables now, each with its part.
    pub fn stored_steps(&self) -> impl Iterator<Item = (&Part, &[u8])> {
        let others = self.others();
        self.parts
            .iter()
            .flat_map(|part| part.steps.iter().map(move |row| (part, row)))
            .enumerate()
            .filter(move |(row, _)| others.binary_search(row).is_err())
            .map(|(_, step)| step)
    }

    /// The encoded starts and ends that are in the tables now.
    pub fn stored_flows(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.others();
        (self.steps..)
            .zip(self.parts.iter().flat_map(|part| part.flows.iter()))
            .filter(move |(row, _)| others.binary_search(row).is_err())
            .map(|(_, flow)| flow)
    }

    /// The numbers of the rows that were not simply stored, in order; nearly always none.
    fn others(&self) -> Vec<usize> {
        let mut others: Vec<_> = self.fates.iter().map(|(row, _)| *row).collect();
        others.sort_unstable();
        others
    }

    /// The rows in `ranges` as records of the spool, one for each part that has any.
    pub fn records(&self, ranges: &[Range<usize>], spooled_at: i64, resent: bool) -> Vec<Record> {
        let mut wanted = vec![false; self.rows()];
        for range in ranges {
            wanted[range.clone()].fill(true);
        }
        let (mut steps, mut flows) = wanted.split_at(self.steps);
        let mut records = Vec::new();
        for part in &self.parts {
            let record = Record {
                spooled_at,
                resent: resent || part.resent,
                reruns: part.reruns,
                registration: part.registration.clone(),
                app: part.app.clone(),
                steps: part.steps.only(take(&mut steps, part.steps.marks.len())),
                flows: part.flows.only(take(&mut flows, part.flows.marks.len())),
            };
            if record.events() > 0 {
                records.push(record);
            }
        }
        records
    }

    /// The parts with ends that may make no row, apart from the others.
    pub fn split_complete_only(self) -> (Self, Self) {
        let (mut behind, mut rest) = (Self::default(), Self::default());
        for part in self.parts {
            if part.flows.marks.iter().any(|mark| mark.complete_only) {
                behind.push(part);
            } else {
                rest.push(part);
            }
        }
        (behind, rest)
    }

    /// Answers every part.
    pub fn settle(self) {
        // of a row that has several the last
        let mut fates: HashMap<_, _> = self.fates.into_iter().collect();
        let (mut step, mut flow) = (0, self.steps);
        for part in self.parts {
            let mut outcome = Outcome::default();
            for (rows, first) in [(&part.steps, &mut step), (&part.flows, &mut flow)] {
                outcome.answer(&rows.marks, *first, &mut fates);
                *first += rows.marks.len();
            }
            part.share.settle(outcome);
        }
    }
}

impl Outcome {
    /// Adds rows that are numbered from `first` on, with the fates of those that were not simply
    /// stored; nearly always there are none.
    fn answer(&mut self, rows: &[Mark], first: usize, fates: &mut HashMap<usize, Fate>) {
        if fates.is_empty() {
            let completed = rows.iter().filter(|mark| mark.complete_only).count();
            self.counts.completed += completed as u64;
            self.counts.recorded += (rows.len() - completed) as u64;
            return;
        }
        for (row, mark) in (first..).zip(rows) {
            let counts = &mut self.counts;
            match fates.remove(&row).unwrap_or_default() {
                fate @ (Fate::Stored | Fate::Spooled) => {
                    self.spooled |= fate == Fate::Spooled;
                    if mark.complete_only {
                        counts.completed += 1;
                    } else {
                        counts.recorded += 1;
                    }
                }
                Fate::Superseded => counts.superseded += 1,
                Fate::Skipped => counts.skipped += 1,
                Fate::Refused(code) => self.reject(mark.index, refused(&code)),
            }
        }
    }
}

fn take<'a>(flags: &mut &'a [bool], count: usize) -> &'a [bool] {
    let (taken, rest) = flags.split_at(count);
    *flags = rest;
    taken
}

fn refused(code: &str) -> Invalid {
    Invalid::new(
        Reason::RefusedByDatabase,
        format!(
            "the database refuses this row (SQLSTATE {code}); the server's log names the constraint"
        ),
    )
}

/// The part of each `rows` that lies in `range`, and its position there.
fn overlaps<'a>(
    rows: impl Iterator<Item = &'a Rows>,
    range: Range<usize>,
) -> impl Iterator<Item = (&'a Rows, Range<usize>)> {
    rows.scan(0, |first, rows| {
        let start = *first;
        *first += rows.marks.len();
        Some((start, rows))
    })
    .filter_map(move |(first, rows)| {
        let from = range.start.max(first);
        let to = range.end.min(first + rows.marks.len());
        (from < to).then(|| (rows, from - first..to - first))
    })
}

fn slices<'a>(
    rows: impl Iterator<Item = &'a Rows>,
    range: Range<usize>,
) -> impl Iterator<Item = Bytes> {
    overlaps(rows, range)
        .map(|(rows, own)| rows.bytes.slice(rows.begin(own.start)..rows.begin(own.end)))
}

fn rows<'a>(
    rows: impl Iterator<Item = &'a Rows>,
    range: Range<usize>,
) -> impl Iterator<Item = (&'a Rows, &'a [u8])> {
    overlaps(rows, range).flat_map(|(rows, own)| {
        let own = rows.iter().skip(own.start).take(own.len());
        own.map(move |row| (rows, row))
    })
}

impl Rows {
    /// The rows that are `wanted`, one flag for each; copies nothing when that is all of them.
    fn only(&self, wanted: &[bool]) -> Self {
        if wanted.iter().all(|wanted| *wanted) {
            return self.clone();
        }
        let mut only = Vec::new();
        let mut marks = Vec::new();
        let rows = self.iter().zip(&self.marks).zip(wanted);
        for ((row, mark), _) in rows.filter(|(_, wanted)| **wanted) {
            only.extend_from_slice(row);
            let end = u32::try_from(only.len()).expect("less than all of them");
            marks.push(Mark { end, ..*mark });
        }
        Self {
            bytes: only.into(),
            marks,
        }
    }

    /// The encoded rows, one by one.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.marks.len()).map(|at| &self.bytes[self.begin(at)..self.begin(at + 1)])
    }

    /// Position of the row's first byte; of the end for the row behind the last.
    fn begin(&self, row: usize) -> usize {
        match row {
            0 => 0,
            row => self.marks[row - 1].end as usize,
        }
    }
}

#[cfg(test)]
mod tests;
