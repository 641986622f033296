//! `osbuild-wasm compile`: compiled code for an installation.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::components::{BUILTINS, engine};
use clap::Args;
use osbuild_wasm_component::{Compiler, ComponentError, Installed, Kind, Registry};
use osbuild_wasm_files::resolve::make_directory;
use osbuild_wasm_report::{Diagnostic, count};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Example:
  # For a program in /usr/local/bin
  osbuild-wasm compile /usr/local/lib/osbuild-wasm/compiled

`make install` does this. What is compiled there is used only while nobody but root and the owner of the program can write it.";

/// Compile all built-in stages and assemblers, so that no run has to
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompileArguments {
    /// Directory for the compiled code, ../lib/osbuild-wasm/compiled of the program's; made when missing
    directory: PathBuf,
    /// Only these modules
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// One component from standard input, for this program itself.
pub(crate) fn serve(arguments: impl Iterator<Item = OsString>) -> Exit {
    match Compiler::serve(arguments) {
        Ok(()) => Exit::Done,
        Err(message) => {
            errln!("{message}");
            Exit::Failed
        }
    }
}

impl Command for CompileArguments {
    fn run(self) -> Result {
        let registry = Registry::new(BUILTINS);
        if let Some(name) = self.names.iter().find(|name| !has(&registry, name)) {
            let diagnostic = Diagnostic::new(format!("{name} is not built in"))
                .hint("`osbuild-wasm stage list` shows what is");
            return Err(CommandError::invalid(diagnostic));
        }
        let compiled = compile_all(&registry, &self.names, &self.directory)?;
        outln!(
            "{} compiled to {}",
            count(compiled, "component"),
            self.directory.display()
        );
        Ok(Exit::Done)
    }
}

fn has(registry: &Registry, name: &str) -> bool {
    Kind::ALL
        .iter()
        .any(|kind| registry.get(*kind, name).is_some())
}

fn compile_all(
    registry: &Registry,
    names: &[String],
    directory: &Path,
) -> Result<usize, ComponentError> {
    let unwritable = |cause| ComponentError::Unwritable {
        path: directory.to_owned(),
        cause,
    };
    make_directory(directory).map_err(unwritable)?;
    let engine = engine(Installed::of_program())?;
    let mut count = 0;
    for kind in Kind::ALL {
        let wanted =
            |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted.as_str() == *name);
        for name in registry.names(kind).filter(wanted) {
            let Some(module) = registry.get(kind, name) else {
                continue;
            };
            engine.compile_to(&*module?, directory)?;
            count += 1;
        }
    }
    Ok(count)
}
