//! From a file to a manifest.
use crate::command_error::{CommandError, Result};
use crate::style::{colour, width};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file, read_whole};
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::json::{self, SyntaxError, Value};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::{Manifest, Runner};
use osbuild_wasm_manifest::problem::ValidationError;
use osbuild_wasm_manifest::runner::host_runner;
use osbuild_wasm_manifest::validate::validate;
use osbuild_wasm_report::{Diagnostic, Source};
use std::path::Path;

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

/// The bytes of a document, at most so many; `-` is standard input.
pub(crate) fn read_named(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    match path == Path::new("-") {
        true => read_whole(std::io::stdin().lock(), most),
        false => read_file(path, most),
    }
}

/// Reads and parses a document; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Document> {
    let name = path.to_string_lossy().into_owned();
    let text = read_named(path, LARGEST_DOCUMENT).map_err(|error| {
        let diagnostic = Diagnostic::new(format!("cannot read {}", shown(&name)));
        CommandError::invalid(diagnostic.cause(error.to_string()))
    })?;
    parse(name, text)
}

/// Parses a document that is called `name`.
pub(crate) fn parse(name: String, text: Vec<u8>) -> Result<Document> {
    match json::parse(&text) {
        Ok(value) => Ok(Document { name, text, value }),
        Err(error) => Err(no_json(&name, &text, &error)),
    }
}

fn no_json(name: &str, text: &[u8], error: &SyntaxError) -> CommandError {
    let message = format!(
        "{} is not JSON: line {}, column {}: {}",
        shown(name),
        error.line,
        error.column,
        error.message
    );
    let lines = Source { name, text }.syntax(error, colour(), width());
    CommandError::pointed(Diagnostic::new(message), lines)
}

/// Validates a document against the schemas.
pub(crate) fn check(document: &Document, catalogue: &Catalogue) -> Result<()> {
    osbuild_wasm_manifest::format::detect(&document.value).map_err(|error| {
        CommandError::unsupported_format(format!(
            "{error}: `version` is \"1\" or \"2\", not {}",
            error.version
        ))
    })?;
    match validate(&document.value, catalogue) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(invalid(document, errors)),
    }
}

/// Validates and loads a document.
pub(crate) fn manifest(document: &Document, catalogue: &Catalogue) -> Result<Manifest> {
    check(document, catalogue)?;
    let options = LoadOptions {
        host_runner: runner_of_host(),
    };
    load(&document.value, &options).map_err(|error| invalid(document, vec![error.into()]))
}

/// A document has these errors.
pub(crate) fn invalid(document: &Document, errors: Vec<ValidationError>) -> CommandError {
    let lines = explain(document, &errors);
    CommandError::invalid_document(document.name.clone(), errors, lines)
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
    host_runner(&osbuild_wasm_files::os_release_of_host())
}

/// The name of a document for people.
pub(crate) fn shown(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}
