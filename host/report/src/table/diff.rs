//! A comparison as tables.
use super::{Cell, Part, Severity, Table};
use osbuild_wasm_capability::diff::{Change, Diff};

/// The tables of a comparison of two documents, by the names that the user gave.
pub fn diff_table(old: &str, new: &str, diff: &Diff) -> Table {
    let part = |title: &str, changes: &[Change], severity: Severity| {
        let row = |change: &Change| {
            vec![
                Cell::new([change.subject.clone()]),
                Cell::new([change.what.clone()]).severity(severity),
            ]
        };
        Part {
            title: title.to_owned(),
            note: String::new(),
            header: vec!["Who", "What"],
            rows: changes.iter().map(row).collect(),
        }
    };
    let parts = [
        part("Grew", &diff.grew, Severity::Bad),
        part("Has another effect", &diff.effects, Severity::Bad),
        part("Shrank", &diff.shrank, Severity::Good),
        part("Changed", &diff.changed, Severity::Plain),
    ];
    let result = match (diff.grew.is_empty(), diff.effects.is_empty()) {
        (false, _) => "something grew",
        (true, false) => "nothing grew, and the manifest has another effect",
        (true, true) if diff.is_empty() => "nothing differs",
        (true, true) => "nothing grew",
    };
    Table {
        title: format!("From {old} to {new}"),
        facts: vec![("result".to_owned(), result.to_owned())],
        parts: parts
            .into_iter()
            .filter(|part| !part.rows.is_empty())
            .collect(),
    }
}
