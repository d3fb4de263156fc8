//! An encoded row taken apart again, for people to see what it says.

use crate::event::Micros;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'a> {
    /// NULL.
    Null,
    /// A text.
    Text(&'a str),
    /// A payload.
    Bytes(&'a [u8]),
    /// A time.
    Time(Micros),
    /// A boolean.
    Boolean(bool),
    /// What a staged row reports: the number of a [`super::Kind`].
    Kind(i16),
}

#[derive(Clone, Copy)]
enum Type {
    Text,
    Bytes,
    Time,
    Boolean,
    Kind,
}

/// The columns of `public.steps`, in its order.
const STEP: [(&str, Type); 12] = [
    ("flowinstanceid", Type::Text),
    ("stepid", Type::Text),
    ("taskname", Type::Text),
    ("status", Type::Text),
    ("starttime", Type::Time),
    ("endtime", Type::Time),
    ("stepdata", Type::Bytes),
    ("flowname", Type::Text),
    ("subflowid", Type::Text),
    ("misc", Type::Bytes),
    ("rerun", Type::Boolean),
    ("parentstepid", Type::Text),
];

/// The columns of a staged row of `flowstate`, in the order of `flows_stage.sql`.
const FLOW: [(&str, Type); 16] = [
    ("kind", Type::Kind),
    ("flowinstanceid", Type::Text),
    ("userid", Type::Text),
    ("appname", Type::Text),
    ("appversion", Type::Text),
    ("flowname", Type::Text),
    ("hostid", Type::Text),
    ("starttime", Type::Time),
    ("endtime", Type::Time),
    ("status", Type::Text),
    ("parentflowinstanceid", Type::Text),
    ("parentflowname", Type::Text),
    ("misc", Type::Bytes),
    ("rerunofflowinstanceid", Type::Text),
    ("flowinput", Type::Bytes),
    ("flowoutput", Type::Bytes),
];

/// The columns of an encoded row of either layout, by name; none for bytes that are no such row.
pub fn columns(row: &[u8]) -> Option<Vec<(&'static str, Column<'_>)>> {
    let (number, mut rest) = row.split_first_chunk()?;
    let layout: &[(&str, Type)] = match i16::from_be_bytes(*number) {
        12 => &STEP,
        16 => &FLOW,
        _ => return None,
    };
    let mut columns = Vec::with_capacity(layout.len());
    for &(name, of) in layout {
        let (length, behind) = rest.split_first_chunk()?;
        let column = match i32::from_be_bytes(*length) {
            -1 => {
                rest = behind;
                Column::Null
            }
            length => {
                let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                rest = behind;
                of.read(value)?
            }
        };
        columns.push((name, column));
    }
    rest.is_empty().then_some(columns)
}

impl Type {
    fn read(self, value: &[u8]) -> Option<Column<'_>> {
        Some(match self {
            Self::Text => Column::Text(str::from_utf8(value).ok()?),
            Self::Bytes => Column::Bytes(value),
            Self::Time => {
                let micros = i64::from_be_bytes(value.try_into().ok()?);
                Column::Time(Micros::stored(micros)?)
            }
            Self::Boolean => Column::Boolean(*<&[u8; 1]>::try_from(value).ok()? != [0]),
            Self::Kind => Column::Kind(i16::from_be_bytes(value.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{FlowEnd, FlowStart, Step},
        ingest::row::{self, Kind, Source},
    };

    fn time(seconds: i64) -> Micros {
        Micros::from_unix("start_time", seconds, 0).expect("a time")
    }

    fn step() -> Vec<u8> {
        let mut row = Vec::new();
        let step = Step {
            instance: "i",
            number: 7,
            started_at: time(1_000),
            ended_at: None,
            task: Some("weigh"),
            status: Some(""),
            flow: None,
            subflow: Some("0"),
            rerun: Some(true),
            parent: None,
            content: Some(b"{\"id\":7}"),
            misc: None,
        };
        row::step(&mut row, &step);
        row
    }

    #[test]
    fn a_step_is_read_back_by_the_names_of_its_table() {
        use Column::{Boolean, Bytes, Null, Text, Time};
        let expected = [
            ("flowinstanceid", Text("i")),
            ("stepid", Text("7")),
            ("taskname", Text("weigh")),
            ("status", Text("")),
            ("starttime", Time(time(1_000))),
            ("endtime", Null),
            ("stepdata", Bytes(b"{\"id\":7}")),
            ("flowname", Null),
            ("subflowid", Text("0")),
            ("misc", Null),
            ("rerun", Boolean(true)),
            ("parentstepid", Null),
        ];
        assert_eq!(columns(&step()).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn starts_and_ends_are_read_back() {
        let source = Source {
            user: "acme".into(),
            app: "orders".into(),
            version: "1".into(),
            host: "vm".into(),
        };
        let start = FlowStart {
            instance: "i",
            started_at: time(1_000),
            ended_at: None,
            flow: Some("f"),
            status: Some("Created"),
            original: Some("o"),
            parent: Some("p"),
            parent_flow: Some("pf"),
            input: Some(b"in"),
            misc: Some(b"m"),
        };
        let mut row = Vec::new();
        row::start(&mut row, &source, &start);
        let found = columns(&row).expect("a row");
        let column = |found: &[(&str, Column<'_>)], name: &str| {
            let (_, value) = found.iter().find(|(known, _)| *known == name)?;
            Some(format!("{value:?}"))
        };
        let expected = [
            ("kind", "Kind(1)"),
            ("userid", "Text(\"acme\")"),
            ("appname", "Text(\"orders\")"),
            ("appversion", "Text(\"1\")"),
            ("hostid", "Text(\"vm\")"),
            ("flowname", "Text(\"f\")"),
            ("status", "Text(\"Created\")"),
            ("parentflowinstanceid", "Text(\"p\")"),
            ("parentflowname", "Text(\"pf\")"),
            ("rerunofflowinstanceid", "Text(\"o\")"),
            ("flowinput", "Bytes([105, 110])"),
            ("flowoutput", "Null"),
        ];
        for (name, value) in expected {
            assert_eq!(column(&found, name).as_deref(), Some(value), "{name}");
        }
        let end = FlowEnd {
            instance: "i",
            started_at: None,
            ended_at: time(2_000),
            status: Some("Failed"),
            flow: None,
            output: Some(b"out"),
        };
        let mut row = Vec::new();
        row::end(&mut row, &source, Kind::CompleteOnly, &end);
        let found = columns(&row).expect("a row");
        for (name, value) in [
            ("kind", "Kind(3)"),
            ("starttime", "Null"),
            ("status", "Text(\"Failed\")"),
            ("flowoutput", "Bytes([111, 117, 116])"),
        ] {
            assert_eq!(column(&found, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn what_is_no_row_is_none() {
        let whole = step();
        for end in 0..whole.len() {
            assert_eq!(columns(&whole[..end]), None, "{end} bytes");
        }
        assert_eq!(columns(&[&whole[..], &[0]].concat()), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_row_or_none(bytes: Vec<u8>, row in 0_usize..200, byte: u8) {
            let _ = columns(&bytes);
            let mut changed = step();
            if let Some(at) = changed.get_mut(row) {
                *at = byte;
            }
            let _ = columns(&changed);
        }
    }
}
