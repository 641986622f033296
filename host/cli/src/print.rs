//! How text and errors are shown. Everything that this program prints goes through here, so that no character of a manifest, a
//! component or a log does something to a terminal.
use crate::command_error::Exit;
use osbuild_wasm_manifest::printable::printable_json;
use osbuild_wasm_report::{Colour, Diagnostic};
use std::io::{ErrorKind, Write};

/// A line for standard output, as `println!` takes it.
macro_rules! outln {
    ($($argument:tt)*) => { $crate::print::say(&format!("{}\n", format_args!($($argument)*))) };
}

/// A line for standard error, as `eprintln!` takes it.
macro_rules! errln {
    ($($argument:tt)*) => { $crate::print::tell(&format!("{}\n", format_args!($($argument)*)), osbuild_wasm_report::Colour::Never) };
}

/// Shows an error to people.
pub(crate) fn complain(diagnostic: &Diagnostic) {
    let colour = Colour::of(&std::io::stderr());
    tell(&diagnostic.render(colour), colour);
}

/// A table as lines without blanks at their ends.
pub(crate) fn table_text(table: &comfy_table::Table) -> String {
    table
        .to_string()
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Prints a list of several columns.
pub(crate) fn print_rows(rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_rows(rows);
    say(&table_text(&table));
}

/// Writes text to standard output.
pub(crate) fn say(text: &str) {
    say_coloured(text, Colour::Never);
}

/// Writes text that has colours of this program, if `colour` says so.
pub(crate) fn say_coloured(text: &str, colour: Colour) {
    write(colour.printable(text).as_bytes());
}

/// Writes a JSON document to standard output.
pub(crate) fn say_json(document: &str) {
    write(format!("{}\n", printable_json(document.trim_end())).as_bytes());
}

/// Writes text to standard error.
pub(crate) fn tell(text: &str, colour: Colour) {
    // There is no place left to say that this does not work.
    _ = std::io::stderr().write_all(colour.printable(text).as_bytes());
}

/// Writes a line to a terminal, the standard error, in the place of the one before.
pub(crate) fn show_for_now(line: &str) {
    let line = Colour::Never.printable(line);
    _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
}

/// When the reader is gone, the program ends: what it could still do is only for that reader.
fn write(text: &[u8]) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text).and_then(|()| out.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            errln!("error: cannot write to standard output: {error}");
        }
        std::process::exit(Exit::Failed as i32);
    }
}
