//! The manual as pages of section 7.
use super::{Entry, OptionRow};
use roff::{Roff, bold, italic, roman};

/// One page.
pub fn roff(entry: &Entry) -> String {
    let mut page = Roff::new();
    page.control("TH", [entry.name.as_str(), "7", "", "osbuild-wasm"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{} - {}", entry.name, entry.summary))]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(format!("Module of kind {}.", entry.kind.as_str()))]);
    for paragraph in &entry.description {
        page.control("PP", []);
        page.text([roman(paragraph)]);
    }
    if !entry.options.is_empty() {
        page.control("SH", ["OPTIONS"]);
        entry.options.iter().for_each(|row| add(&mut page, row));
    }
    if !entry.facts.is_empty() {
        page.control("SH", ["WHAT IT USES"]);
    }
    for fact in &entry.facts {
        page.control("PP", []);
        page.text([roman(fact)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("osbuild-wasm"), roman("(1)")]);
    page.render()
}

fn add(page: &mut Roff, row: &OptionRow) {
    page.control("TP", []);
    page.text([bold(&row.path), roman(" "), italic(&row.holds)]);
    let more = match (&row.default, row.required) {
        (Some(value), _) => format!(" Default: {value}."),
        (None, true) => " Required.".to_owned(),
        (None, false) => String::new(),
    };
    page.text([roman(format!("{}{more}", row.text))]);
}
