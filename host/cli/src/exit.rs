//! Exit codes, and how errors before a build are shown.
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_report::{Colour, Diagnostic, error_document};

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
        println!(
            "{}",
            to_python(&error_document(
                &diagnostic.message,
                std::slice::from_ref(diagnostic)
            ))
        );
    } else {
        eprint!("{}", diagnostic.render(Colour::of(&std::io::stderr())));
    }
    exit
}
