//! How reports are printed.
use crate::print::{say, say_json};
use clap::ValueEnum;
use osbuild_wasm_report::Table;
use serde::Serialize;

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    Table,
    /// For programs; the schema is in schemas/
    Json,
    /// One page that needs nothing else
    Html,
}

/// Columns where no terminal says so.
const WIDTH: u16 = 140;

impl Format {
    /// Prints a document, or the table that shows it.
    pub(crate) fn print(self, document: &impl Serialize, table: impl FnOnce() -> Table) {
        match self {
            Self::Table => say(&table().text(width())),
            Self::Json => say_json(&json(document)),
            Self::Html => say(&table().html()),
        }
    }
}

/// A document as JSON for people and programs.
pub(crate) fn json(document: &impl Serialize) -> String {
    // Documents of strings, numbers and lists can always be written.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// The same as YAML.
pub(crate) fn yaml(document: &impl Serialize) -> String {
    serde_saphyr::to_string(document).unwrap_or_default()
}

fn width() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(WIDTH, |(width, _)| width.0)
}
