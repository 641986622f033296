//! `osbuild-wasm stage list`.
use super::component;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::components::registry;
use crate::print::print_rows;
use clap::Args;
use osbuild_wasm_component::Kind;
use std::path::PathBuf;

/// List all stages and assemblers that are there
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Command for ListArguments {
    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let mut rows = Vec::new();
        for kind in [Kind::Stage, Kind::Assembler] {
            for name in registry.names(kind) {
                let module = component(&registry, kind, name)?;
                let summary = module.metadata.summary.clone();
                rows.push(vec![name.to_owned(), kind.name().to_owned(), summary]);
            }
        }
        print_rows(rows);
        Ok(Exit::Done)
    }
}
