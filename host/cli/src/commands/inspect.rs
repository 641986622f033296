//! `osbuild-wasm inspect`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::components::{catalogue, registry};
use crate::document;
use crate::print::say_json;
use crate::style::Style;
use clap::Args;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::to_python;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # Names and ids of the pipelines (the id of a pipeline is that of its last stage)
  osbuild-wasm inspect manifest.json | jq -r '.pipelines[] | [.name, .stages[-1].id] | @tsv'

The ids are osbuild's: the same manifest has the same ids there.";

/// Print the manifest with all references resolved and the ids of its stages, as one line of JSON; build nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Command for InspectArguments {
    fn style(&self) -> Style {
        Style::Inspect
    }

    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let document = document::read(&self.manifest)?;
        let catalogue = catalogue(&registry, self.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue)?;
        say_json(&to_python(&inspect(&manifest)));
        Ok(Exit::Done)
    }
}
