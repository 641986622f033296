//! From a file to a manifest, or to an error with the right exit code.
use crate::exit::{Exit, fail, say, say_json, tell};
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::json::{self, SyntaxError, Value};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::{Manifest, Runner};
use osbuild_wasm_manifest::problem::{ValidationError, validation_json, validation_text};
use osbuild_wasm_manifest::runner::host_runner;
use osbuild_wasm_manifest::validate::validate;
use osbuild_wasm_report::{Colour, Diagnostic, Source};
use std::io::{IsTerminal, Read};
use std::path::Path;

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
}

impl Style {
    /// Ours, or JSON.
    pub(crate) fn own(json: bool) -> Self {
        if json { Self::Json } else { Self::Own }
    }

    /// Whether a document goes to standard output.
    pub(crate) fn json(self) -> bool {
        self == Self::Json || self == Self::Inspect && !std::io::stdout().is_terminal()
    }
}

/// A document and where it came from.
#[derive(Debug)]
pub(crate) struct Document {
    /// How the user calls it.
    pub(crate) name: String,
    /// What was read.
    pub(crate) text: Vec<u8>,
    /// What it says.
    pub(crate) value: Value,
}

/// Reads and parses a document; `-` is standard input.
pub(crate) fn read(path: &Path, style: Style) -> Result<Document, Exit> {
    let name = path.to_string_lossy().into_owned();
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut text).map(drop)
    } else {
        std::fs::read(path).map(|content| text = content)
    };
    if let Err(error) = read {
        let diagnostic =
            Diagnostic::new(format!("cannot read {}", shown(path))).cause(error.to_string());
        return Err(fail(Exit::Invalid, style.json(), &diagnostic));
    }
    match json::parse(&text) {
        Ok(value) => Ok(Document { name, text, value }),
        Err(error) => Err(no_json(&name, &text, &error, style)),
    }
}

fn no_json(name: &str, text: &[u8], error: &SyntaxError, style: Style) -> Exit {
    if style != Style::Json {
        let source = Source { name, text };
        tell(&source.syntax(error, colour(), width()), colour());
    }
    if style.json() {
        let message = format!(
            "{} is not JSON: line {}, column {}: {}",
            shown(Path::new(name)),
            error.line,
            error.column,
            error.message
        );
        fail(Exit::Invalid, true, &Diagnostic::new(message));
    }
    Exit::Invalid
}

/// Validates a document against the schemas.
pub(crate) fn check(document: &Document, catalogue: &Catalogue, style: Style) -> Result<(), Exit> {
    if let Err(error) = osbuild_wasm_manifest::format::detect(&document.value) {
        // osbuild prints this sentence as it is, with --json too.
        say("Unsupported manifest format\n");
        errln!(
            "error: {error}: `version` is \"1\" or \"2\", not {}",
            error.version
        );
        return Err(Exit::Invalid);
    }
    let errors = validate(&document.value, catalogue);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(invalid(document, &errors, style))
    }
}

/// Validates and loads a document.
pub(crate) fn manifest(
    document: &Document,
    catalogue: &Catalogue,
    style: Style,
) -> Result<Manifest, Exit> {
    check(document, catalogue, style)?;
    let options = LoadOptions {
        host_runner: runner_of_host(),
    };
    load(&document.value, &options).map_err(|error| invalid(document, &[error.into()], style))
}

/// Shows what is wrong with a document.
pub(crate) fn invalid(document: &Document, errors: &[ValidationError], style: Style) -> Exit {
    if matches!(style, Style::Own | Style::Inspect) {
        tell(&explain(document, errors), colour());
    }
    if style.json() {
        say_json(&validation_json(errors));
    }
    match style {
        Style::Osbuild => say(&validation_text(&document.name, errors)),
        Style::Own => {
            let problems = if errors.len() == 1 {
                "problem"
            } else {
                "problems"
            };
            let name = shown(Path::new(&document.name));
            say(&format!("invalid: {} {problems} in {name}\n", errors.len()));
        }
        Style::Json | Style::Inspect => (),
    }
    Exit::Invalid
}

/// What is wrong with a document, with its lines.
pub(crate) fn explain(document: &Document, errors: &[ValidationError]) -> String {
    let source = Source {
        name: &document.name,
        text: &document.text,
    };
    source.problems(errors, colour(), width())
}

/// The runner of this machine.
pub(crate) fn runner_of_host() -> Runner {
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    host_runner(&release.unwrap_or_default())
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

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}
