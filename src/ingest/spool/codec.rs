//! A record as a payload. Pure.
//!
//! ```text
//! version u8 | flags u8 | row layout u16 | spooled at i64
//! | steps' marks u32 | flows' marks u32 | steps' bytes u32 | flows' bytes u32
//! | registration: three texts, if flagged | app: two texts, if flagged      (a text: length u32, bytes)
//! | marks: end u32, index u32, complete-only u32                            | steps' rows | flows' rows
//! ```
//!
//! Who changes this raises [`FORMAT`](super::format::FORMAT) too, and keeps reading what was.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::{Record, format::ROW_LAYOUT};
use crate::{
    event::App,
    ingest::queue::{Mark, Registration, Rows},
};

const VERSION: u8 = 1;
const MARK_BYTES: usize = 12;
const RESENT: u8 = 1;
const RERUNS: u8 = 2;
const REGISTRATION: u8 = 4;
const APP: u8 = 8;

/// The payload of `record` up to its rows, which follow as they are: steps, then flows.
pub fn head(record: &Record) -> Vec<u8> {
    let marks = record.events() * MARK_BYTES;
    let mut out = Vec::with_capacity(marks + 256);
    let flags = [
        (record.resent, RESENT),
        (record.reruns, RERUNS),
        (record.registration.is_some(), REGISTRATION),
        (record.app.is_some(), APP),
    ];
    out.push(VERSION);
    out.push(flags.iter().filter(|f| f.0).map(|f| f.1).sum());
    out.extend(ROW_LAYOUT.to_le_bytes());
    out.extend(record.spooled_at.to_le_bytes());
    for number in [
        record.steps.marks.len(),
        record.flows.marks.len(),
        record.steps.bytes.len(),
        record.flows.bytes.len(),
    ] {
        length(&mut out, number);
    }
    if let Some(registration) = &record.registration {
        text(&mut out, &registration.user);
        text(&mut out, &registration.app);
        text(&mut out, &registration.version);
    }
    if let Some(app) = &record.app {
        text(&mut out, &app.user);
        text(&mut out, &app.app);
    }
    for mark in record.steps.marks.iter().chain(&record.flows.marks) {
        out.extend(mark.end.to_le_bytes());
        out.extend(mark.index.to_le_bytes());
        out.extend(u32::from(mark.complete_only).to_le_bytes());
    }
    out
}

/// A record from its payload, whose bytes its rows share; none when it is not one. Allocates no more
/// than the payload has.
pub fn decode(payload: &Bytes) -> Option<Record> {
    let mut rest = payload.clone();
    let version = rest.try_get_u8().ok()?;
    let flags = rest.try_get_u8().ok()?;
    let layout = rest.try_get_u16_le().ok()?;
    if version != VERSION || layout > ROW_LAYOUT || flags > RESENT | RERUNS | REGISTRATION | APP {
        return None;
    }
    let spooled_at = rest.try_get_i64_le().ok()?;
    let mut number = || usize::try_from(rest.try_get_u32_le().ok()?).ok();
    let (steps_marks, flows_marks) = (number()?, number()?);
    let (steps_bytes, flows_bytes) = (number()?, number()?);
    let mut texts = |flag| {
        let mut text = || read_text(&mut rest);
        Some(match flag {
            REGISTRATION => [text()?, text()?, text()?],
            _ => [text()?, text()?, String::new()],
        })
    };
    let registration = if flags & REGISTRATION == 0 {
        None
    } else {
        let [user, app, version] = texts(REGISTRATION)?;
        Some(Registration { user, app, version })
    };
    let app = if flags & APP == 0 {
        None
    } else {
        let [user, app, _] = texts(APP)?;
        Some(Arc::new(App { user, app }))
    };
    let steps_marks = read_marks(&mut rest, steps_marks, steps_bytes)?;
    let flows_marks = read_marks(&mut rest, flows_marks, flows_bytes)?;
    if rest.len() != steps_bytes.checked_add(flows_bytes)? {
        return None;
    }
    let steps = rest.split_to(steps_bytes);
    Some(Record {
        spooled_at,
        resent: flags & RESENT != 0,
        reruns: flags & RERUNS != 0,
        registration,
        app,
        steps: Rows {
            bytes: steps,
            marks: steps_marks,
        },
        flows: Rows {
            bytes: rest,
            marks: flows_marks,
        },
    })
}

/// Positions in a record are `u32` by their marks already; what is longer is refused with its frame.
fn length(out: &mut Vec<u8>, number: usize) {
    out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    length(out, text.len());
    out.extend(text.as_bytes());
}

fn read_text(rest: &mut Bytes) -> Option<String> {
    let length = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    let text = std::str::from_utf8(rest.get(..length)?).ok()?.to_owned();
    rest.advance(length);
    Some(text)
}

/// `count` marks of rows that have `bytes` in all: no row ends before it begins, nor behind them.
fn read_marks(rest: &mut Bytes, count: usize, bytes: usize) -> Option<Vec<Mark>> {
    let marks = rest.get(..count.checked_mul(MARK_BYTES)?)?;
    let mut behind = 0;
    let marks: Option<Vec<_>> = marks
        .chunks_exact(MARK_BYTES)
        .map(|mut mark| {
            let mark = Mark {
                end: mark.get_u32_le(),
                index: mark.get_u32_le(),
                complete_only: mark.get_u32_le() != 0,
            };
            let in_order = mark.end >= behind && usize::try_from(mark.end).ok()? <= bytes;
            behind = mark.end;
            in_order.then_some(mark)
        })
        .collect();
    rest.advance(count * MARK_BYTES);
    marks
}
