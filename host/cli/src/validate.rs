//! `osbuild-wasm validate`.
use crate::components::{catalogue, exit_of, registry};
use crate::document::{self, Style, runner_of_host};
use crate::exit::{Exit, fail, say, say_json, tell};
use clap::Args;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_manifest::problem::validation_json;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # What is wrong, with the lines of the manifest
  osbuild-wasm validate manifest.json

  # The same for programs: a document with a path and a message for each problem
  osbuild-wasm validate --json manifest.json | jq '.errors[]'

Exit status: 0 valid, 2 not.";

/// Check a manifest against the schemas of the format and of its modules; say so when it could not be built all the same
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
    let style = Style::own(arguments.json);
    let registry = match registry(arguments.libdir.as_ref()) {
        Ok(registry) => registry,
        Err(error) => {
            return fail(
                exit_of(&error),
                arguments.json,
                &Diagnostic::from_error(&error),
            );
        }
    };
    let catalogue = catalogue(&registry, arguments.libdir.as_deref());
    attempt(arguments, style, &catalogue).unwrap_or_else(|exit| exit)
}

fn attempt(
    arguments: &ValidateArguments,
    style: Style,
    catalogue: &Catalogue,
) -> Result<Exit, Exit> {
    let document = document::read(&arguments.manifest, style)?;
    document::check(&document, catalogue, style)?;
    if arguments.json {
        say_json(&validation_json(&[]));
    }
    let options = LoadOptions {
        host_runner: runner_of_host(),
    };
    match load(&document.value, &options) {
        Ok(manifest) if !arguments.json => say(&valid(&manifest)),
        Ok(_) => {}
        // As in osbuild the schemas alone decide; that it cannot be built is still worth knowing.
        Err(error) => {
            tell(
                &document::explain(&document, &[error.into()]),
                document::colour(),
            );
            errln!("warning: the document is valid, but cannot be built");
        }
    }
    Ok(Exit::Done)
}

fn valid(manifest: &Manifest) -> String {
    let pipelines = manifest.pipelines.iter();
    format!(
        "valid: {} pipelines, {} stages, {} sources\n",
        manifest.pipelines.len(),
        pipelines
            .map(|pipeline| pipeline.stages.len())
            .sum::<usize>(),
        manifest.sources.len()
    )
}
