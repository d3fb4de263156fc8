//! Starts and ends that are rows of `flowstate` as they come: an instance that begins in this batch,
//! with one start, and with no end or the one end of that start. Nearly all are.
//!
//! A row is made of slices of the encoded start and end, so that no payload is copied. Whatever is
//! not as simple, or may be stored already, goes to the staging table.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::{batch::Batch, ends::LoneEnd};
use crate::{
    ingest::{queue::Rows, row::Kind},
    pg::binary,
};

/// Columns of a row of `flowstate`, in the order of `flows_copy.sql`.
const COLUMNS: [u8; 2] = 17_i16.to_be_bytes();
/// A column that is NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Bytes of the last columns, about.
const TAIL_BYTES: usize = 24;

/// What became of the starts and ends among some rows.
#[derive(Debug, Default)]
pub struct Folded<'a> {
    /// Rows of `flowstate`, in pieces one behind the other.
    pub rows: Vec<Bytes>,
    /// Ends of a start that is none of the batch.
    pub ends: Vec<LoneEnd<'a>>,
    /// Numbers, among all starts and ends, of those that have to be staged.
    pub rest: Vec<usize>,
}

/// An encoded start or end, taken apart.
struct Event<'a> {
    rows: &'a Rows,
    kind: Kind,
    instance: &'a [u8],
    /// The columns from the instance to the start time.
    head: &'a [u8],
    /// Start time and end time, in µs.
    started_at: Option<i64>,
    ended_at: Option<i64>,
    /// The end time and the status.
    ending: &'a [u8],
    status: Option<&'a [u8]>,
    /// The columns from the parent to the input.
    origin: &'a [u8],
    original: Option<&'a [u8]>,
    /// The column of the output.
    output: &'a [u8],
}

/// What a batch says of an instance.
#[derive(Default)]
struct Instance<'a> {
    start: Option<Event<'a>>,
    end: Option<Event<'a>>,
    /// There is more than that.
    more: bool,
}

impl Batch {
    /// Folds the starts and ends of a [`Batch::flow_range`].
    pub fn fold(&self, range: Range<usize>) -> Folded<'_> {
        let mut known: HashMap<&[u8], usize, RandomState> = HashMap::default();
        let mut instances: Vec<Instance<'_>> = Vec::new();
        // by number: the instance, none for a row that cannot be read
        let mut of = Vec::with_capacity(range.len());
        for (rows, row) in self.flow_rows(range.clone()) {
            let event = Event::read(rows, row);
            of.push(event.map(|event| {
                let at = *known.entry(event.instance).or_insert_with(|| {
                    instances.push(Instance::default());
                    instances.len() - 1
                });
                instances[at].add(event);
                at
            }));
        }
        let mut tails = Vec::with_capacity(instances.len() * TAIL_BYTES);
        let ends: Vec<_> = instances
            .iter()
            .map(|instance| instance.tail(&mut tails).then_some(tails.len()))
            .collect();
        let mut tails = Bytes::from(tails);
        let mut folded = Folded::default();
        let (mut begin, pieces) = (0, ends.iter().flatten().count() * 6);
        folded.rows.reserve_exact(pieces);
        for (instance, end) in instances.iter().zip(&ends) {
            if let Some(end) = end {
                let tail = tails.split_to(end - begin);
                instance.write(tail, &mut folded.rows);
                begin = *end;
            }
        }
        for (number, of) in range.zip(of) {
            match of {
                Some(at) if ends[at].is_some() => {}
                Some(at) => match instances[at].lone_end(number) {
                    Some(end) => folded.ends.push(end),
                    None => folded.rest.push(number),
                },
                None => folded.rest.push(number),
            }
        }
        folded
    }
}

impl<'a> Instance<'a> {
    fn add(&mut self, event: Event<'a>) {
        let place = match event.kind {
            Kind::Start => &mut self.start,
            Kind::End | Kind::CompleteOnly => &mut self.end,
        };
        self.more |= place.is_some() || event.kind == Kind::CompleteOnly;
        place.get_or_insert(event);
    }

    /// Writes the last columns of its row, those that no event has; false when it is not as simple.
    fn tail(&self, tails: &mut Vec<u8>) -> bool {
        let Some(start) = self.start.as_ref().filter(|start| start.begins()) else {
            return false;
        };
        let took = match &self.end {
            None => None,
            Some(end) if end.started_at == start.started_at => end.took(),
            Some(_) => return false,
        };
        if self.more || took.is_none() != self.end.is_none() {
            return false;
        }
        let text = took.map(execution_time);
        binary::bytes(tails, text.as_deref().map(str::as_bytes));
        // reruncount: none so far
        binary::bytes(tails, Some(&0_i32.to_be_bytes()));
        true
    }

    /// Its end, the row numbered `number`, if there is nothing else and it says when both were.
    fn lone_end(&self, number: usize) -> Option<LoneEnd<'a>> {
        let end = self.end.as_ref()?;
        if self.start.is_some() || self.more {
            return None;
        }
        let (instance, mut values) = (str::from_utf8(end.instance).ok()?, [None; 10]);
        end.took()?;
        let mut places = values.iter_mut();
        for part in [end.head, end.ending, end.output] {
            let mut columns = Columns(part);
            while let Some(value) = columns.value() {
                *places.next()? = value;
            }
        }
        Some(LoneEnd {
            number,
            instance,
            values,
        })
    }

    /// Adds its row, which ends with `tail`.
    fn write(&self, tail: Bytes, rows: &mut Vec<Bytes>) {
        let Some(start) = &self.start else {
            return;
        };
        let end = self.end.as_ref();
        let ending = end.unwrap_or(start);
        rows.extend([
            Bytes::from_static(&COLUMNS),
            start.slice(start.head),
            ending.slice(ending.ending),
            start.slice(start.origin),
            end.map_or(Bytes::from_static(&NULL), |end| end.slice(end.output)),
            tail,
        ]);
    }
}

impl<'a> Event<'a> {
    /// Takes a staged row apart; none when it is not one.
    fn read(rows: &'a Rows, row: &'a [u8]) -> Option<Self> {
        let mut columns = Columns(row.get(2..)?);
        let kind = match columns.value()?? {
            [0, 1] => Kind::Start,
            [0, 2] => Kind::End,
            _ => Kind::CompleteOnly,
        };
        let whole = columns.0;
        let instance = columns.value()??;
        // user, app, version, flow, host
        columns.skip(5)?;
        let started_at = columns.time()?;
        let head = columns.since(whole);
        let whole = columns.0;
        let ended_at = columns.time()?;
        let status = columns.value()?;
        let ending = columns.since(whole);
        let whole = columns.0;
        // parent, its flow, misc
        columns.skip(3)?;
        let original = columns.value()?;
        columns.skip(1)?;
        let origin = columns.since(whole);
        Some(Self {
            rows,
            kind,
            instance,
            head,
            started_at,
            ended_at,
            ending,
            status,
            origin,
            original,
            output: columns.0,
        })
    }

    /// Whether it is the start of an instance that is nothing but new: no restart at a step, and no
    /// rerun, which its original has to count.
    fn begins(&self) -> bool {
        self.started_at.is_some()
            && self.status != Some(b"Started")
            && self.original.is_none_or(<[u8]>::is_empty)
    }

    /// µs from start to end.
    fn took(&self) -> Option<i64> {
        self.ended_at?.checked_sub(self.started_at?)
    }

    fn slice(&self, part: &[u8]) -> Bytes {
        self.rows.bytes.slice_ref(part)
    }
}

/// Columns of a row, one after the other.
struct Columns<'a>(&'a [u8]);

#[expect(
    clippy::option_option,
    reason = "whether there is a column, and whether it is NULL"
)]
impl<'a> Columns<'a> {
    /// The next one; NULL is none within.
    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(value))
    }

    fn skip(&mut self, columns: usize) -> Option<()> {
        (0..columns).try_for_each(|_| self.value().map(drop))
    }

    fn time(&mut self) -> Option<Option<i64>> {
        let value = self.value()?;
        Some(value.and_then(|value| Some(i64::from_be_bytes(value.try_into().ok()?))))
    }

    /// What was read of `whole`, lengths and all.
    fn since(&self, whole: &'a [u8]) -> &'a [u8] {
        &whole[..whole.len() - self.0.len()]
    }
}

/// Milliseconds with three decimals, as `flowtrail.executiontime` writes them.
fn execution_time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:03}", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests;
