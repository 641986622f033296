//! The manual as Markdown, for docs/ and for pages of repositories.
use super::{Entry, OptionRow};
use std::fmt::Write as _;

/// All entries on one page, after a table of contents.
pub fn markdown(entries: &[Entry]) -> String {
    let mut text = String::from(
        "# Modules\n\nEvery module that a manifest can name, made from their documents in `schemas/` by `osbuild-wasm stage manual`.\n\
         In places of options, `[]` stands for each item of a list and `NAME` for a name of your own.\n",
    );
    let mut kind = None;
    for entry in entries {
        if kind != Some(entry.kind) {
            kind = Some(entry.kind);
            let _ = write!(text, "\n## Kind: {}\n", entry.kind.as_str());
        }
        add(&mut text, entry);
    }
    text
}

fn add(text: &mut String, entry: &Entry) {
    let _ = write!(text, "\n### {}\n\n{}\n", entry.name, entry.summary);
    for paragraph in &entry.description {
        let _ = write!(text, "\n{paragraph}\n");
    }
    add_table(text, &entry.options);
    if !entry.facts.is_empty() {
        text.push('\n');
    }
    for fact in &entry.facts {
        let _ = writeln!(text, "- {fact}");
    }
}

/// The options as a table, if there are any.
pub(super) fn add_table(text: &mut String, options: &[OptionRow]) {
    if !options.is_empty() {
        text.push_str("\n| option | holds | default | |\n|---|---|---|---|\n");
        options.iter().for_each(|row| add_row(text, row));
    }
}

fn add_row(text: &mut String, row: &OptionRow) {
    let default = match (&row.default, row.required) {
        (Some(value), _) => format!("`{value}`"),
        (None, true) => "required".to_owned(),
        (None, false) => String::new(),
    };
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let (holds, note) = (cell(&row.holds), cell(&row.text));
    let _ = writeln!(
        text,
        "| `{}` | {holds} | {} | {note} |",
        row.path,
        cell(&default)
    );
}
