//! How a command shows what is wrong.
use osbuild_wasm_report::Colour;
use std::io::IsTerminal;

/// How errors are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As JSON on standard output.
    Json,
    /// As osbuild's text on standard output.
    Osbuild,
    /// On standard error, with the lines of the document.
    Own,
    /// Both for programs and for people: JSON on standard output unless that is a terminal, and on standard error the lines.
    Inspect,
    /// As `run --inspect` does: JSON for what is wrong with a document, and our own words for all else.
    RunInspect,
}

impl Style {
    /// Ours, or JSON.
    pub(crate) fn own(json: bool) -> Self {
        if json { Self::Json } else { Self::Own }
    }

    /// Whether errors go to standard output as a document.
    pub(crate) fn errors_are_json(self) -> bool {
        self == Self::Json || self == Self::Inspect && !std::io::stdout().is_terminal()
    }

    /// Whether errors in a document go to standard output as a document.
    pub(crate) fn documents_are_json(self) -> bool {
        self.errors_are_json() || self == Self::RunInspect
    }

    /// Whether the lines of a document are shown.
    pub(crate) fn is_for_people_too(self) -> bool {
        matches!(self, Self::Own | Self::Inspect)
    }
}

/// Colour of what goes to standard error.
pub(crate) fn colour() -> Colour {
    Colour::of(&std::io::stderr())
}

/// Columns that lines of a document may take.
pub(crate) fn width() -> usize {
    const ELSEWHERE: usize = 140;
    let terminal = terminal_size::terminal_size_of(std::io::stderr());
    terminal.map_or(ELSEWHERE, |(width, _)| width.0.into())
}
