//! `osbuild-wasm inspect`.
use crate::components::{catalogue, exit_of, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail, say_json};
use clap::Args;
use osbuild_wasm_manifest::inspect::inspect as describe;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_report::Diagnostic;
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

pub(crate) fn inspect(arguments: &InspectArguments) -> Exit {
    let style = Style::Inspect;
    let registry = match registry(arguments.libdir.as_ref()) {
        Ok(registry) => registry,
        Err(error) => {
            return fail(
                exit_of(&error),
                style.json(),
                &Diagnostic::from_error(&error),
            );
        }
    };
    let manifest = document::read(&arguments.manifest, style).and_then(|document| {
        document::manifest(
            &document,
            &catalogue(&registry, arguments.libdir.as_deref()),
            style,
        )
    });
    match manifest {
        Ok(manifest) => {
            say_json(&to_python(&describe(&manifest)));
            Exit::Done
        }
        Err(exit) => exit,
    }
}
