//! The fields of a document as Markdown, read from its JSON schema.
use super::markdown::add_table;
use super::options::{OptionRow, of_schema};
use serde_json::Value;
use std::fmt::Write as _;

/// A section for the members of the document, and one for each member of its member `sections`.
pub fn fields(schema: &Value, sections: &str) -> String {
    let mut text = String::new();
    let inside = format!("{sections}.");
    let (inner, outer): (Vec<_>, Vec<_>) = of_schema(schema)
        .into_iter()
        .filter(|row| row.path != sections)
        .partition(|row| row.path.starts_with(&inside));
    add_table(&mut text, &outer);
    let mut rows = inner.into_iter().peekable();
    while let Some(head) = rows.next() {
        let below = |row: &OptionRow| row.path[head.path.len()..].starts_with(['.', '[']);
        let is_below = |row: &OptionRow| row.path.starts_with(&head.path) && below(row);
        let mut members = Vec::new();
        while let Some(row) = rows.next_if(is_below) {
            members.push(row);
        }
        add_section(&mut text, &head, members);
    }
    text
}

fn add_section(text: &mut String, head: &OptionRow, mut members: Vec<OptionRow>) {
    let is_list = head.holds.starts_with("list of object") || head.holds.starts_with("list of one");
    let list = if is_list { "[]" } else { "" };
    let title = format!("{}{list}", head.path);
    let _ = write!(text, "\n### {title}\n\n{}\n", head.text);
    if members.is_empty() {
        let _ = write!(text, "\nHolds: {}.\n", head.holds);
    }
    for member in &mut members {
        let rest = member.path.strip_prefix(&title).unwrap_or(&member.path);
        member.path = rest.trim_start_matches('.').to_owned();
    }
    add_table(text, &members);
}
