//! The sheet as a page.
use super::{Cell, Mood, Part, Sheet};
use crate::page::page;
use maud::{Markup, html};

impl Sheet {
    /// The sheet as an HTML page. Everything that comes from a manifest, a policy or a component is escaped.
    pub fn html(&self) -> String {
        let body = html! {
            h1 { (self.title) }
            dl { @for (name, value) in &self.facts { dt { (name) } dd { (value) } } }
            @for part in &self.parts { (part.html()) }
        };
        page(&self.title, &body)
    }
}

impl Part {
    fn html(&self) -> Markup {
        html! {
            h2 { (self.title) }
            @if !self.note.is_empty() { p { (self.note) } }
            @if !self.rows.is_empty() {
                table.sheet {
                    thead { tr { @for name in &self.header { th { (name) } } } }
                    tbody { @for row in &self.rows { tr { @for cell in row { (cell.html()) } } } }
                }
            }
        }
    }
}

impl Cell {
    fn html(&self) -> Markup {
        let class = match self.mood {
            Mood::Plain => None,
            Mood::Good => Some("good"),
            Mood::Bad => Some("bad"),
        };
        html! { td class=[class] { @for line in &self.lines { div { (line) } } } }
    }
}
