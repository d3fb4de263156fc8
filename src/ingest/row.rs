//! The two row layouts, in binary COPY format: a step exactly as `steps` wants it, a start or end
//! as the lanes' staging table wants it. `sql/ingest/stage.sql` and the COPY statements list the
//! same columns in the same order.

mod columns;

pub use columns::{Column, columns};

use crate::{
    event::{FlowEnd, FlowStart, Micros, Step},
    pg::binary,
};

/// Who reports: columns that come from the hello of a stream, or from a posted start or end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `userid`.
    pub user: String,
    /// `appname`.
    pub app: String,
    /// `appversion`.
    pub version: String,
    /// `hostid`.
    pub host: String,
}

impl Source {
    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        self.user.len() + self.app.len() + self.version.len() + self.host.len()
    }
}

/// Bytes of a row besides its texts and payloads, at most: 18 column lengths, two times, a kind.
pub const OVERHEAD: usize = 112;

/// What a staged row of `flowstate` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An attempt began.
    Start = 1,
    /// An attempt ended.
    End = 2,
    /// An attempt ended whose app is switched off: completes a stored instance, makes none.
    CompleteOnly = 3,
}

/// Appends a row of `steps`.
pub fn step(buffer: &mut Vec<u8>, step: &Step<'_>) {
    binary::row(buffer, 12);
    text(buffer, Some(step.instance));
    binary::decimal(buffer, step.number);
    text(buffer, step.task);
    text(buffer, step.status);
    time(buffer, Some(step.started_at));
    time(buffer, step.ended_at);
    binary::bytes(buffer, step.content);
    text(buffer, step.flow);
    text(buffer, step.subflow);
    binary::bytes(buffer, step.misc);
    binary::boolean(buffer, step.rerun);
    text(buffer, step.parent);
}

/// Appends a staged row for a start.
pub fn start(buffer: &mut Vec<u8>, source: &Source, start: &FlowStart<'_>) {
    flow(buffer, Kind::Start, start.instance, source, start.flow);
    time(buffer, Some(start.started_at));
    time(buffer, start.ended_at);
    text(buffer, start.status);
    text(buffer, start.parent);
    text(buffer, start.parent_flow);
    binary::bytes(buffer, start.misc);
    text(buffer, start.original);
    binary::bytes(buffer, start.input);
    binary::bytes(buffer, None);
}

/// Appends a staged row for an end.
pub fn end(buffer: &mut Vec<u8>, source: &Source, kind: Kind, end: &FlowEnd<'_>) {
    flow(buffer, kind, end.instance, source, end.flow);
    time(buffer, end.started_at);
    time(buffer, Some(end.ended_at));
    text(buffer, end.status);
    for _ in 0..5 {
        binary::bytes(buffer, None);
    }
    binary::bytes(buffer, end.output);
}

fn flow(buffer: &mut Vec<u8>, kind: Kind, instance: &str, source: &Source, flow: Option<&str>) {
    binary::row(buffer, 16);
    binary::smallint(buffer, kind as i16);
    text(buffer, Some(instance));
    text(buffer, Some(&source.user));
    text(buffer, Some(&source.app));
    text(buffer, Some(&source.version));
    text(buffer, flow);
    text(buffer, Some(&source.host));
}

fn text(buffer: &mut Vec<u8>, value: Option<&str>) {
    binary::bytes(buffer, value.map(str::as_bytes));
}

fn time(buffer: &mut Vec<u8>, value: Option<Micros>) {
    binary::timestamp(buffer, value.map(Micros::since_2000));
}

/// The instance of an encoded row of either layout; empty when the row is broken.
pub fn instance(row: &[u8]) -> &str {
    let instance = || {
        let (columns, rest) = row.split_first_chunk()?;
        // A staged row begins with its kind: four bytes of length, two of number.
        let staged = i16::from_be_bytes(*columns) == 16;
        let rest = if staged { rest.get(6..)? } else { rest };
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        std::str::from_utf8(rest.get(..length)?).ok()
    };
    instance().unwrap_or_default()
}

/// The content (`stepdata`) of an encoded step: its seventh column; none when it is NULL.
pub fn content(step: &[u8]) -> Option<&[u8]> {
    let mut rest = step.get(2..)?;
    for column in 0.. {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        // NULL has the length -1 and no bytes.
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        if column == 6 {
            return behind.get(..length?);
        }
        rest = behind.get(length.unwrap_or(0)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_step_shows_its_instance_and_its_content() {
        let started_at = Micros::from_unix("start_time", 1_000, 0).expect("a time");
        let check = |task: Option<&str>, content: Option<&[u8]>| {
            let mut row = Vec::new();
            let encoded = Step {
                instance: "i",
                number: 7,
                started_at,
                ended_at: None,
                task,
                status: None,
                flow: Some("main"),
                subflow: None,
                rerun: Some(false),
                parent: None,
                content,
                misc: Some(b"more"),
            };
            step(&mut row, &encoded);
            assert_eq!((instance(&row), self::content(&row)), ("i", content));
        };
        check(Some("task"), Some(b"{}"));
        check(None, Some(b""));
        check(Some(""), None);
    }
}
