//! How reports are printed.
use crate::print::{say, say_json};
use clap::ValueEnum;
use osbuild_wasm_report::Table;
use serde::{Serialize, Serializer};

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

/// The forms of a description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// For people and programs
    #[default]
    Yaml,
    /// For programs
    Json,
}

impl DocumentFormat {
    /// Prints a description.
    pub(crate) fn print(self, document: &serde_json::Value) {
        match self {
            Self::Yaml => say(&yaml(document)),
            Self::Json => say_json(&json(document)),
        }
    }
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
pub(crate) fn yaml(document: &serde_json::Value) -> String {
    serde_saphyr::to_string(&Plain(document)).unwrap_or_default()
}

/// A document whose numbers are numbers for every writer, not only for that of JSON.
struct Plain<'a>(&'a serde_json::Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::Number(number) => {
                match (number.as_i64(), number.as_u64(), number.as_f64()) {
                    (Some(number), _, _) => serializer.serialize_i64(number),
                    (None, Some(number), _) => serializer.serialize_u64(number),
                    (None, None, number) => serializer.serialize_f64(number.unwrap_or_default()),
                }
            }
            serde_json::Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            serde_json::Value::Object(members) => {
                serializer.collect_map(members.iter().map(|(key, value)| (key, Plain(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

fn width() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(WIDTH, |(width, _)| width.0)
}
