//! A refused row as it is shown: its columns by name.

use std::fmt::Write as _;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{json, value::RawValue};

use crate::{
    cli::pretty::pretty,
    ingest::row::{self, Column},
};

/// The columns of an encoded row.
pub(super) struct Columns<'a>(pub(super) Vec<(&'static str, Column<'a>)>);

impl<'a> Columns<'a> {
    /// Those of `row`; none when its bytes are no row.
    pub(super) fn of(row: &'a [u8]) -> Option<Self> {
        row::columns(row).map(Self)
    }

    /// For people: short ones in lines, then payloads.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut payloads = String::new();
        for (name, column) in &self.0 {
            // writing to a text cannot fail
            let _ = match column {
                Column::Null => Ok(()),
                Column::Bytes(bytes) => {
                    let shown = pretty(bytes);
                    let shown = String::from_utf8_lossy(&shown);
                    writeln!(payloads, "\n{name}, {} bytes:\n{shown}", bytes.len())
                }
                Column::Text(value) => writeln!(text, "{name:<22} {value}"),
                Column::Time(value) => writeln!(text, "{name:<22} {value}"),
                Column::Boolean(value) => writeln!(text, "{name:<22} {value}"),
                Column::Kind(kind) => writeln!(text, "{name:<22} {}", self::kind(*kind)),
            };
        }
        text + &payloads
    }
}

/// What a staged row reports, in a word.
fn kind(number: i16) -> &'static str {
    match number {
        1 => "start",
        2 => "end",
        3 => "end of an app that is off",
        _ => "unknown",
    }
}

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, column) in &self.0 {
            match column {
                Column::Null => map.serialize_entry(name, &())?,
                Column::Text(text) => map.serialize_entry(name, text)?,
                Column::Time(time) => map.serialize_entry(name, &time.to_string())?,
                Column::Boolean(value) => map.serialize_entry(name, value)?,
                Column::Kind(number) => map.serialize_entry(name, kind(*number))?,
                Column::Bytes(bytes) => match serde_json::from_slice::<&RawValue>(bytes) {
                    Ok(json) => map.serialize_entry(name, json)?,
                    Err(_) => map.serialize_entry(name, &other(bytes))?,
                },
            }
        }
        map.end()
    }
}

/// A payload that is no JSON: a text, or what it is in base64.
fn other(bytes: &[u8]) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_shown_as_what_they_are() {
        let columns = Columns(vec![
            ("kind", Column::Kind(2)),
            ("taskname", Column::Text("weigh")),
            ("status", Column::Null),
            ("rerun", Column::Boolean(false)),
            ("stepdata", Column::Bytes(b"{\"b\":1.0,\"a\":2}")),
            ("misc", Column::Bytes(b"not { JSON")),
            ("flowoutput", Column::Bytes(b"\xff\x00")),
        ]);
        let json = serde_json::to_string(&columns).expect("JSON");
        let expected = r#"{"kind":"end","taskname":"weigh","status":null,"rerun":false,"stepdata":{"b":1.0,"a":2},"misc":"not { JSON","flowoutput":{"base64":"/wA="}}"#;
        assert_eq!(json, expected);
        let text = columns.text();
        assert!(text.contains("taskname               weigh\n"), "{text}");
        assert!(!text.contains("status"), "{text}");
        assert!(
            text.contains("stepdata, 15 bytes:\n{\n  \"b\": 1.0,"),
            "{text}"
        );
    }
}
