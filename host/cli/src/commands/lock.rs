//! `osbuild-wasm lock`, and the comparison that `run --locked` makes.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::{catalogue, registry};
use crate::document;
use crate::format::json;
use crate::output_file;
use crate::print::say_json;
use clap::Args;
use osbuild_wasm_build::{BuildError, Plan, PlanRequest};
use osbuild_wasm_capability::diff::{Diff, Document};
use osbuild_wasm_capability::lock::Lock;
use osbuild_wasm_component::Registry;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::Diagnostic;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # Pin what the manifest uses into manifest.json.lock, and keep that file beside it
  osbuild-wasm lock manifest.json

  # From now on build with nothing else
  osbuild-wasm run --locked --export image --output-directory out manifest.json

  # What changes when the lock is made again? The exit status is 1 when some right grew
  osbuild-wasm lock --output new.lock manifest.json
  osbuild-wasm audit diff manifest.json.lock new.lock

Exit status: 0 written, 1 a component is missing or the file cannot be written, 2 the manifest or the command line is wrong.";

/// Write digests, interface versions and capabilities of everything that a manifest uses into a lock file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LockArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// The lock file, `-` for standard output; default: MANIFEST.lock, and standard output for a manifest from standard input
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Command for LockArguments {
    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let document = document::read(&self.manifest)?;
        let catalogue = catalogue(&registry, self.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue)?;
        let text = json(&make(&registry, &manifest)?);
        let standard = |path: &PathBuf| path == Path::new("-");
        let path = match &self.output {
            Some(path) if !standard(path) => path.clone(),
            None if !standard(&self.manifest) => beside(&self.manifest),
            _ => {
                say_json(&text);
                return Ok(Exit::Done);
            }
        };
        output_file::write(&path, text.as_bytes())?;
        Ok(Exit::Done)
    }
}

/// Pins what a whole manifest uses.
fn make(registry: &Registry, manifest: &Manifest) -> Result<Lock, BuildError> {
    let request = PlanRequest {
        registry,
        manifest,
        name: String::new(),
        exports: None,
        policy: None,
    };
    Ok(Plan::new(&request)?.lock())
}

/// `MANIFEST.lock`.
fn beside(manifest: &Path) -> PathBuf {
    let mut path = manifest.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Refuses a run that would use something else than the lock file says: `file`, or the one beside the manifest.
pub(crate) fn check(
    file: Option<&Path>,
    manifest_path: &Path,
    registry: &Registry,
    manifest: &Manifest,
) -> Result<()> {
    let file = match file {
        Some(file) => file.to_owned(),
        None if manifest_path == Path::new("-") => {
            let diagnostic = Diagnostic::new(
                "--locked: a manifest from standard input has no lock file beside it",
            );
            return Err(CommandError::invalid(
                diagnostic.hint("name one: --locked=FILE"),
            ));
        }
        None => beside(manifest_path),
    };
    let locked = read(&file).map_err(CommandError::invalid)?;
    let present = make(registry, manifest)?;
    if locked == present {
        return Ok(());
    }
    let documents = [locked, present].map(|lock| Document::Lock(Box::new(lock)));
    // Both are lock files, so they can be compared.
    let diff = Diff::of(&documents[0], &documents[1]).unwrap_or_default();
    Err(CommandError::failed(changed(&file, &diff)))
}

fn read(file: &Path) -> Result<Lock, Diagnostic> {
    let name = file.display().to_string();
    let bytes = read_file(file, LARGEST_DOCUMENT).map_err(|error| {
        let diagnostic = Diagnostic::new(format!("cannot read lock file {name}"));
        diagnostic
            .cause(error.to_string())
            .hint("`osbuild-wasm lock MANIFEST` writes one")
    })?;
    match Document::read(&name, &bytes) {
        Ok(Document::Lock(lock)) => Ok(*lock),
        Ok(other) => Err(Diagnostic::new(format!(
            "{name} is {}, not a lock file",
            other.kind()
        ))),
        Err(error) => Err(Diagnostic::new(error)),
    }
}

fn changed(file: &Path, diff: &Diff) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(format!(
        "what would run is not what {} pins",
        file.display()
    ));
    for (word, changes) in [
        ("grew", &diff.grew),
        ("shrank", &diff.shrank),
        ("effect", &diff.effects),
        ("changed", &diff.changed),
    ] {
        for change in changes {
            diagnostic = diagnostic.cause(format!("{word}: {}: {}", change.subject, change.what));
        }
    }
    diagnostic.hint("if that is meant, write it again with `osbuild-wasm lock MANIFEST`")
}
