//! `osbuild-wasm inspect`.
use crate::components::{catalogue, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail};
use clap::Args;
use osbuild_wasm_manifest::inspect::inspect as describe;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

/// Print the manifest with all references resolved and the ids of its stages, as one line of JSON; build nothing
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

pub(crate) fn inspect(arguments: &InspectArguments) -> Exit {
    let style = Style { json: true };
    let registry = match registry(arguments.libdir.as_ref()) {
        Ok(registry) => registry,
        Err(error) => return fail(Exit::Failed, true, &Diagnostic::from_error(&error)),
    };
    let manifest = document::read(&arguments.manifest, style).and_then(|document| {
        document::manifest(&document, &arguments.manifest, &catalogue(&registry), style)
    });
    match manifest {
        Ok(manifest) => {
            println!("{}", to_python(&describe(&manifest)));
            Exit::Done
        }
        Err(exit) => exit,
    }
}
