//! One file that needs nothing else: no script, no picture, no network.
use super::{Cell, Mood, Part, Sheet};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A constant, so that nothing of a manifest can get into it.
const STYLE: &str = "
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 110rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { opacity: .7; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; position: sticky; top: 0; background: Canvas; border-bottom: 2px solid; padding: .4rem .6rem; }
td { vertical-align: top; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .4rem .6rem; overflow-wrap: anywhere; }
td div:first-child { font-weight: 500; }
td.good { background: color-mix(in srgb, green 12%, transparent); } td.bad { background: color-mix(in srgb, red 18%, transparent); }
p { margin: .2rem 0 .6rem; opacity: .8; }
@media print { th { position: static; } body { margin: 0; } }
";

impl Sheet {
    /// The sheet as an HTML page. Everything that comes from a manifest, a policy or a component is escaped.
    pub fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    dl { @for (name, value) in &self.facts { dt { (name) } dd { (value) } } }
                    @for part in &self.parts { (part.html()) }
                }
            }
        };
        page.into_string() + "\n"
    }
}

impl Part {
    fn html(&self) -> Markup {
        html! {
            h2 { (self.title) }
            @if !self.note.is_empty() { p { (self.note) } }
            @if !self.rows.is_empty() {
                table {
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
