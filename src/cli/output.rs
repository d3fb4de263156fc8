//! What a command prints on standard output: rows, as a table or as JSON.

use std::{
    fmt,
    io::{self, Write as _},
};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// Form of what a command prints on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// A JSON array of objects
    Json,
}

/// Prints `rows`, each a struct, with its fields in their order. A reader that went away, like
/// `head`, is no failure.
///
/// # Errors
/// When standard output cannot be written, or a row is not a struct.
pub fn rows<T: Serialize>(output: Output, rows: &[T]) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(rows)?;
    if output == Output::Table {
        text = table(&serde_json::from_str::<Vec<Fields>>(&text)?);
    }
    if text.is_empty() {
        return Ok(());
    }
    self::text(&text)
}

/// Prints `text` and a line end, in the same way.
///
/// # Errors
/// When standard output cannot be written.
pub fn text(text: &str) -> anyhow::Result<()> {
    line(text).map(|_| ())
}

/// Prints `value`, a struct, as one JSON object.
///
/// # Errors
/// When standard output cannot be written.
pub fn object<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let compact = serde_json::to_vec(value)?;
    bytes(&super::pretty::pretty(&compact))
}

/// Prints the fields of `value`, a struct, that are not null: a table with a line for each.
///
/// # Errors
/// When standard output cannot be written.
pub fn figures<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let Fields(fields) = serde_json::from_str(&serde_json::to_string(value)?)?;
    let known = fields.into_iter().filter(|(_, value)| !value.is_null());
    let lines = known.map(|(name, value)| {
        Fields(vec![
            ("figure".to_owned(), name.into()),
            ("value".to_owned(), value),
        ])
    });
    text(&table(&lines.collect::<Vec<_>>()))
}

/// Prints bytes as they are and, where none is at their end, a line end.
///
/// # Errors
/// When standard output cannot be written.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let end: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
    let written = stdout.write_all(bytes).and_then(|()| stdout.write_all(end));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a line of something that goes on; answers whether anybody still reads it.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn line(text: &str) -> anyhow::Result<bool> {
    let mut stdout = anstream::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

fn table(rows: &[Fields]) -> String {
    let Some(Fields(first)) = rows.first() else {
        return String::new();
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(first.iter().map(|(name, _)| name.to_uppercase()));
    for Fields(fields) in rows {
        table.add_row(fields.iter().map(|(_, value)| match value {
            Value::Null => "-".into(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// The fields of a JSON object in the order in which they stand.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row with fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_fields_in_their_order() {
        let rows = r#"[{"user": "acme", "app": "orders", "version": null, "on": true}]"#;
        let rows: Vec<Fields> = serde_json::from_str(rows).expect("rows");
        let text = table(&rows);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                ["USER", "APP", "VERSION", "ON"],
                ["acme", "orders", "-", "true"]
            ]
        );
        assert_eq!(table(&[]), "");
    }
}
