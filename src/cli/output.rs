//! What a command prints.

use std::io::{self, Write};

use comfy_table::Table;
use serde_json::Value;

/// Form of what a command prints on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// A JSON array of objects
    Json,
}

/// Prints `rows`, fields in their order. A reader that went away is no failure.
///
/// # Errors
/// When standard output cannot be written.
pub fn rows<T: serde::Serialize>(output: Output, rows: &[T]) -> anyhow::Result<()> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(rows)?,
        Output::Table => table(&serde_json::to_value(rows)?).to_string(),
    };
    match writeln!(anstream::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn table(rows: &Value) -> Table {
    let mut table = Table::new();
    for row in rows.as_array().into_iter().flatten() {
        let fields = row.as_object().into_iter().flatten();
        let (names, values): (Vec<_>, Vec<_>) = fields
            .map(|(name, value)| {
                let shown = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), shown)
            })
            .unzip();
        table.set_header(names);
        table.add_row(values);
    }
    table
}
