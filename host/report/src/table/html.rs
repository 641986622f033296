//! The table as a page.
use super::{Cell, Part, Severity, Table};
use crate::page::page;
use maud::{Markup, html};

impl Table {
    /// The table as an HTML page. Everything that comes from a manifest, a policy or a component is escaped.
    pub fn html(&self) -> String {
        let body = html! {
            h1 { (self.title) }
            (self.markup())
        };
        page(&self.title, &body)
    }

    /// The table without its title, for a page of others.
    pub fn markup(&self) -> Markup {
        html! {
            dl { @for (name, value) in &self.facts { dt { (name) } dd { (value) } } }
            @for part in &self.parts { (part.html()) }
        }
    }
}

impl Part {
    fn html(&self) -> Markup {
        html! {
            h2 { (self.title) }
            @if !self.note.is_empty() { p { (self.note) } }
            @if !self.rows.is_empty() {
                table.rows {
                    thead { tr { @for name in &self.header { th { (name) } } } }
                    tbody { @for row in &self.rows { tr { @for cell in row { (cell.html()) } } } }
                }
            }
        }
    }
}

impl Cell {
    fn html(&self) -> Markup {
        let class = match self.severity {
            Severity::Plain => None,
            Severity::Good => Some("good"),
            Severity::Bad => Some("bad"),
        };
        html! { td class=[class] { @for line in &self.lines { div { (line) } } } }
    }
}
