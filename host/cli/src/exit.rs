//! Exit codes, and how text and errors are shown. Everything that this program prints goes through here, so that no character of a manifest, a
//! component or a log does something to a terminal.
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_manifest::printable::printable_json;
use osbuild_wasm_report::{Colour, Diagnostic, error_document};
use std::io::{ErrorKind, Write};

/// A line for standard output, as `println!` takes it.
macro_rules! outln {
    ($($argument:tt)*) => { $crate::exit::say(&format!("{}\n", format_args!($($argument)*))) };
}

/// A line for standard error, as `eprintln!` takes it.
macro_rules! errln {
    ($($argument:tt)*) => { $crate::exit::tell(&format!("{}\n", format_args!($($argument)*)), osbuild_wasm_report::Colour::Never) };
}

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Built, valid, shown.
    Done = 0,
    /// A build or a tool failed.
    Failed = 1,
    /// The manifest or the command line is wrong.
    Invalid = 2,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

/// Shows an error: for people on standard error, with `json` as a result document on standard output.
pub(crate) fn fail(exit: Exit, json: bool, diagnostic: &Diagnostic) -> Exit {
    if json {
        let errors = std::slice::from_ref(diagnostic);
        let document = error_document(&diagnostic.message, errors);
        say_json(&to_python(&document));
    } else {
        complain(diagnostic);
    }
    exit
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
    // There is nobody left to be told that this does not work.
    _ = std::io::stderr().write_all(colour.printable(text).as_bytes());
}

/// When nobody reads any more, the program ends: what it could still do is only for that reader.
fn write(text: &[u8]) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text).and_then(|()| out.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            errln!("error: cannot write to standard output: {error}");
        }
        std::process::exit(Exit::Failed as i32);
    }
}
