//! `osbuild-wasm validate`.
use crate::components::{catalogue, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail};
use clap::Args;
use osbuild_wasm_manifest::problem::validation_json;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

/// Check a manifest against the schemas of the format and of its modules, and that its references resolve
#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// Print the errors as JSON
    #[arg(long)]
    json: bool,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

pub(crate) fn validate(arguments: &ValidateArguments) -> Exit {
    let style = Style { json: arguments.json };
    let registry = match registry(arguments.libdir.as_ref()) {
        Ok(registry) => registry,
        Err(error) => return fail(Exit::Failed, style.json, &Diagnostic::from_error(&error)),
    };
    let manifest = document::read(&arguments.manifest, style)
        .and_then(|document| document::manifest(&document, &arguments.manifest, &catalogue(&registry), style));
    match manifest {
        Err(exit) => exit,
        Ok(_) if style.json => {
            println!("{}", validation_json(&[]));
            Exit::Done
        }
        Ok(manifest) => {
            let stages: usize = manifest.pipelines.iter().map(|pipeline| pipeline.stages.len()).sum();
            println!("valid: {} pipelines, {stages} stages, {} sources", manifest.pipelines.len(), manifest.sources.len());
            Exit::Done
        }
    }
}
