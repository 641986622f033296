//! Plans, audits and comparisons as tables: for a terminal, or as one HTML page.
mod audit;
mod diff;
mod html;
mod plan;
mod words;

pub use audit::audit_table;
pub use diff::diff_table;
pub use plan::plan_table;

use crate::text::clean_lines;
use comfy_table::{ContentArrangement, Table as TextTable, presets};

/// A document of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    title: String,
    /// Names and values that hold for all of it.
    facts: Vec<(String, String)>,
    parts: Vec<Part>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    title: String,
    /// Under the title.
    note: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cell {
    lines: Vec<String>,
    severity: Severity,
}

/// How a cell looks on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Severity {
    #[default]
    Plain,
    Good,
    Bad,
}

impl Cell {
    /// Empty lines are left out, and so is what would do something to a terminal: the text comes from manifests and components.
    fn new(lines: impl IntoIterator<Item = String>) -> Self {
        let clean = lines.into_iter().flat_map(|line| clean_lines(&line));
        Cell {
            lines: clean.filter(|line| !line.is_empty()).collect(),
            severity: Severity::Plain,
        }
    }

    /// With one line more.
    fn and(mut self, line: String) -> Self {
        self.lines.extend(clean_lines(&line));
        self
    }

    fn severity(self, severity: Severity) -> Self {
        Cell { severity, ..self }
    }
}

impl Table {
    /// The table as text; `width` is that of the terminal in columns.
    pub fn text(&self, width: u16) -> String {
        let mut text = format!("{}\n", clean_lines(&self.title).join(" "));
        for (name, value) in &self.facts {
            text += &format!("  {name}: {}\n", clean_lines(value).join(" "));
        }
        for part in &self.parts {
            text += &format!("\n{}\n", clean_lines(&part.title).join(" "));
            if !part.note.is_empty() {
                text += &format!("  {}\n", clean_lines(&part.note).join(" "));
            }
            text += &part.text(width);
        }
        text
    }
}

impl Part {
    fn text(&self, width: u16) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = TextTable::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(self.header.iter().copied());
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.lines.join("\n")));
        }
        let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }
}
