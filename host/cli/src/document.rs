//! From a file to a manifest, or to an error with the right exit code.
use crate::exit::{Exit, fail};
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::json::{self, Value};
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::{Manifest, Runner};
use osbuild_wasm_manifest::problem::{ValidationError, validation_json, validation_text};
use osbuild_wasm_manifest::runner::host_runner;
use osbuild_wasm_manifest::validate::validate;
use osbuild_wasm_report::Diagnostic;
use std::io::Read;
use std::path::Path;

/// How errors are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// As JSON on standard output.
    pub(crate) json: bool,
}

/// Reads and parses a document; `-` is standard input.
pub(crate) fn read(path: &Path, style: Style) -> Result<Value, Exit> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|content| bytes = content)
    };
    if let Err(error) = read {
        let diagnostic =
            Diagnostic::new(format!("cannot read {}", shown(path))).cause(error.to_string());
        return Err(fail(Exit::Invalid, style.json, &diagnostic));
    }
    json::parse(&bytes).map_err(|error| {
        let message = format!(
            "{} is not JSON: line {}, column {}: {}",
            shown(path),
            error.line,
            error.column,
            error.message
        );
        fail(Exit::Invalid, style.json, &Diagnostic::new(message))
    })
}

/// Validates a document against the schemas.
pub(crate) fn check(
    document: &Value,
    path: &Path,
    catalogue: &Catalogue,
    style: Style,
) -> Result<(), Exit> {
    if let Err(error) = osbuild_wasm_manifest::format::detect(document) {
        // osbuild prints this sentence as it is, with --json too.
        println!("Unsupported manifest format");
        eprintln!("error: {error}");
        return Err(Exit::Invalid);
    }
    let errors = validate(document, catalogue);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(invalid(path, &errors, style))
    }
}

/// Validates and loads a document.
pub(crate) fn manifest(
    document: &Value,
    path: &Path,
    catalogue: &Catalogue,
    style: Style,
) -> Result<Manifest, Exit> {
    check(document, path, catalogue, style)?;
    let options = LoadOptions {
        host_runner: runner_of_host(),
    };
    load(document, &options).map_err(|error| invalid(path, &[error.into()], style))
}

/// Shows what is wrong with a document.
pub(crate) fn invalid(path: &Path, errors: &[ValidationError], style: Style) -> Exit {
    if style.json {
        println!("{}", validation_json(errors));
    } else {
        print!("{}", validation_text(&path.to_string_lossy(), errors));
    }
    Exit::Invalid
}

/// The runner of this machine.
pub(crate) fn runner_of_host() -> Runner {
    let release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    host_runner(&release.unwrap_or_default())
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}
