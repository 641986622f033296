//! `osbuild-wasm stage`: components alone.
mod list;
mod manual;
mod run;
mod show;
mod validate;

use crate::command_error::{CommandError, Exit, Result};
use crate::commands::carry_out;
use crate::components::catalogue;
use clap::Subcommand;
use osbuild_wasm_component::{Kind, Module, Registry};
use osbuild_wasm_manifest::catalogue::ModuleKind;
use osbuild_wasm_report::Diagnostic;
use std::sync::Arc;

/// Look at stages and assemblers, run one alone, or check its options
#[derive(Debug, Subcommand)]
pub(crate) enum StageCommand {
    List(list::ListArguments),
    Show(show::ShowArguments),
    Run(run::RunArguments),
    Validate(validate::ValidateArguments),
    Manual(manual::ManualArguments),
}

impl StageCommand {
    pub(crate) fn carry_out(self) -> Exit {
        match self {
            Self::List(arguments) => carry_out(arguments),
            Self::Show(arguments) => carry_out(arguments),
            Self::Run(arguments) => carry_out(arguments),
            Self::Validate(arguments) => carry_out(arguments),
            Self::Manual(arguments) => carry_out(arguments),
        }
    }
}

/// The component of a name, or an error with a name that may be meant.
fn component(registry: &Registry, kind: Kind, name: &str) -> Result<Arc<Module>> {
    match registry.get(kind, name) {
        Some(module) => Ok(module?),
        None => {
            let mut diagnostic = Diagnostic::new(format!("there is no {kind} {name}"));
            let catalogue = catalogue(registry, None);
            let near = |name: &str| catalogue.nearest(module_kind(kind.name()), name);
            // Most names begin alike, and people leave that out.
            if let Some(near) = near(&format!("org.osbuild.{name}"))
                .filter(|_| !name.contains('.'))
                .or_else(|| near(name))
            {
                diagnostic = diagnostic.hint(format!("did you mean {near}?"));
            }
            Err(CommandError::invalid(diagnostic))
        }
    }
}

/// The kind of that name; clap has checked the name.
fn module_kind(name: &str) -> ModuleKind {
    name.parse().unwrap_or(ModuleKind::Stage)
}
