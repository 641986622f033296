//! HTML pages in one file that needs nothing else: no script, no picture, no network.
use maud::{DOCTYPE, Markup, PreEscaped, html};
use osbuild_wasm_manifest::printable::printable;

/// How pages look. A constant, so that nothing of a manifest or a record can get into it.
pub const STYLE: &str = include_str!("page.css");

/// A page. Everything that is not markup already is escaped.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    // Escaped or not, a character that turns the direction of writing does so on a page too.
    printable(&page.into_string()).into_owned() + "\n"
}
