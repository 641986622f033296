//! `osbuild-wasm audit`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::{BUILTINS, registry};
use crate::format::Format;
use clap::{Args, Subcommand};
use osbuild_wasm_capability::BUILT_IN;
use osbuild_wasm_capability::audit::{Audit, Audited, audit as look_at};
use osbuild_wasm_capability::diff::{Diff, Document};
use osbuild_wasm_component::{Builtin, Origin, Registry};
use osbuild_wasm_files::{LARGEST_COMPONENT, LARGEST_DOCUMENT, read_file};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_report::{Diagnostic, audit_table, diff_table};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # What could this file do, whatever it says of itself? It is not executed
  osbuild-wasm audit plugin.wasm

  # Which of the built-in modules reach the network?
  osbuild-wasm audit --all --format json | jq -r '.components[] | select(.network) | .name'

  # Has a new version more rights than the old one? The exit status is 1 when it has
  osbuild-wasm audit diff plugin-1.0.wasm plugin-1.1.wasm

Interfaces and WASI packages are the import list of the binary, which nothing can understate; paths and programs are its module
document, which the host enforces. Of a component that contains others, the import list of the outermost is all that gets in.";

const DIFF_EXAMPLES: &str = "\
Examples:
  # Fail a CI job when a manifest or the components that it uses do something else
  osbuild-wasm lock --output new.lock manifest.json
  osbuild-wasm audit diff manifest.json.lock new.lock

Exit status: 0 nobody may do more and the manifest has the same done, 1 something grew, or the
manifest has another effect (other options, order or contents, a stage less), 2 one of them cannot be read.";

/// Show what components can do, without executing anything; `diff` compares
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// Component (`*.wasm`), or name of a module
    #[arg(required_unless_present = "all")]
    component: Vec<String>,
    /// All built-in components and all plugins
    #[arg(long, conflicts_with = "component")]
    all: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Diff(DiffArguments),
}

/// Show what grew and what shrank from one component, lock file, plan or audit to another of its kind
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXAMPLES)]
struct DiffArguments {
    /// Component (`*.wasm`), lock file, or JSON of `plan` or `audit`
    old: PathBuf,
    /// The same of a later time
    new: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Command for AuditArguments {
    fn run(self) -> Result {
        match &self.command {
            Some(AuditCommand::Diff(arguments)) => compare(arguments),
            None => examine(&self),
        }
    }
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::invalid(Diagnostic::new(message))
}

fn compare(arguments: &DiffArguments) -> Result {
    let read = |path: &Path| {
        let name = path.display().to_string();
        let bytes = read_file(path, LARGEST_DOCUMENT)
            .map_err(|error| invalid(format!("cannot read {name}: {error}")))?;
        Document::read(&name, &bytes).map_err(invalid)
    };
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let diff = Diff::of(&old, &new).map_err(invalid)?;
    let (old, new) = (
        arguments.old.display().to_string(),
        arguments.new.display().to_string(),
    );
    arguments
        .format
        .print(&diff, || diff_table(&old, &new, &diff));
    Ok(if diff.is_harmless() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn examine(arguments: &AuditArguments) -> Result {
    let components = match arguments.all {
        true => all(&registry(arguments.libdir.as_ref())?)?,
        false => named(arguments)?,
    };
    let audit = Audit::of(components);
    arguments.format.print(&audit, || audit_table(&audit));
    Ok(Exit::Done)
}

fn named(arguments: &AuditArguments) -> Result<Vec<Audited>> {
    let mut components = Vec::new();
    for name in &arguments.component {
        let is_file = name.contains('/')
            || Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "wasm");
        if is_file {
            components.push(file(Path::new(name))?);
        } else {
            components.extend(modules(name, &registry(arguments.libdir.as_ref())?)?);
        }
    }
    Ok(components)
}

fn file(path: &Path) -> Result<Audited> {
    let name = path.display().to_string();
    let bytes = read_file(path, LARGEST_COMPONENT)
        .map_err(|error| invalid(format!("cannot read {name}: {error}")))?;
    look_at(&name, &name, &bytes).map_err(|error| invalid(error.to_string()))
}

/// A stage and an assembler may have the same name.
fn modules(name: &str, registry: &Registry) -> Result<Vec<Audited>> {
    let builtins: Vec<_> = BUILTINS
        .iter()
        .filter(|builtin| builtin.name == name)
        .collect();
    let plugins = registry
        .plugins()
        .filter(|plugin| plugin.metadata.name == name);
    let files = plugins.filter_map(|plugin| match &plugin.origin {
        Origin::File(path) => Some(file(path)),
        Origin::Builtin => None,
    });
    let found: Vec<_> = builtins
        .into_iter()
        .map(builtin)
        .chain(files)
        .collect::<Result<_>>()?;
    if !found.is_empty() {
        return Ok(found);
    }
    let names = BUILTINS.iter().map(|builtin| builtin.name);
    let diagnostic = Diagnostic::new(format!("there is no component {name}"));
    let hint = nearest(name, names).map(|near| format!("did you mean {near}?"));
    let diagnostic = hint.into_iter().fold(diagnostic, Diagnostic::hint);
    Err(CommandError::invalid(diagnostic))
}

fn builtin(builtin: &Builtin) -> Result<Audited> {
    let bytes = builtin.unpack()?;
    look_at(builtin.name, BUILT_IN, &bytes)
        .map_err(|error| CommandError::failed(Diagnostic::from_error(&error)))
}

/// Unpacking and hashing is most of the work, so each processor takes a part.
fn all(registry: &Registry) -> Result<Vec<Audited>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = BUILTINS.len().div_ceil(threads).max(1);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let work = |part: &'static [Builtin]| {
            scope.spawn(move || part.iter().map(builtin).collect::<Vec<_>>())
        };
        let running: Vec<_> = BUILTINS.chunks(share).map(work).collect();
        running
            .into_iter()
            .map(|thread| {
                let panicked = |_| {
                    vec![Err(CommandError::failed(Diagnostic::new(
                        "a thread of the audit failed",
                    )))]
                };
                thread.join().unwrap_or_else(panicked)
            })
            .collect()
    });
    let plugins = registry
        .plugins()
        .filter_map(|plugin| match &plugin.origin {
            Origin::File(path) => Some(file(path)),
            Origin::Builtin => None,
        });
    parts.into_iter().flatten().chain(plugins).collect()
}
