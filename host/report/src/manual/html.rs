//! The manual as one page of HTML.
use super::Entry;
use crate::page::page;
use maud::{Markup, html};

/// All entries on one page without script, with a table of contents.
pub fn html(entries: &[Entry]) -> String {
    let body = html! {
        h1 { "Modules" }
        p { "Every module that a manifest can name. In places of options, " code { "[]" } " stands for each item of a list and " code { "NAME" } " for a name of your own." }
        ul {
            @for entry in entries {
                li { a href={ "#" (anchor(entry)) } { (entry.name) } " (" (entry.kind.as_str()) "): " (entry.summary) }
            }
        }
        @for entry in entries { (section(entry)) }
    };
    page("Modules of osbuild-wasm", &body)
}

fn anchor(entry: &Entry) -> String {
    format!("{}-{}", entry.kind.as_str(), entry.name)
}

fn section(entry: &Entry) -> Markup {
    html! {
        h2 id=(anchor(entry)) { (entry.name) " (" (entry.kind.as_str()) ")" }
        p { (entry.summary) }
        @for paragraph in &entry.description { p { (paragraph) } }
        @if !entry.options.is_empty() {
            table {
                thead { tr { th { "option" } th { "holds" } th { "default" } th {} } }
                tbody {
                    @for row in &entry.options {
                        tr {
                            td { code { (row.path) } }
                            td { (row.holds) }
                            td { @if let Some(value) = &row.default { code { (value) } } @else if row.required { "required" } }
                            td { (row.text) }
                        }
                    }
                }
            }
        }
        @if !entry.facts.is_empty() {
            ul { @for fact in &entry.facts { li { (fact) } } }
        }
    }
}
