//! Exit codes, and how errors before a build are shown.
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_report::{Colour, Diagnostic, error_document};
use std::io::{ErrorKind, Write};

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
        say(&format!("{}\n", to_python(&document)));
    } else {
        eprint!("{}", diagnostic.render(Colour::of(&std::io::stderr())));
    }
    exit
}

/// A table as lines without blanks at their ends.
pub(crate) fn table_text(table: &comfy_table::Table) -> String {
    table
        .to_string()
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Writes to standard output. When nobody reads it any more, the program ends: what it could still do is only for that reader.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("error: cannot write to standard output: {error}");
        }
        std::process::exit(Exit::Failed as i32);
    }
}
