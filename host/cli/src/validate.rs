//! `osbuild-wasm validate`.
use crate::components::{catalogue, registry};
use crate::document::{self, Style, runner_of_host};
use crate::exit::{Exit, fail};
use clap::Args;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::problem::{render_path, validation_json};
use osbuild_wasm_report::{Colour, Diagnostic};
use std::path::PathBuf;

/// Check a manifest against the schemas of the format and of its modules; say so when it could not be built all the same
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
    let style = Style {
        json: arguments.json,
    };
    let registry = match registry(arguments.libdir.as_ref()) {
        Ok(registry) => registry,
        Err(error) => return fail(Exit::Failed, style.json, &Diagnostic::from_error(&error)),
    };
    attempt(arguments, style, &catalogue(&registry)).unwrap_or_else(|exit| exit)
}

fn attempt(
    arguments: &ValidateArguments,
    style: Style,
    catalogue: &Catalogue,
) -> Result<Exit, Exit> {
    let document = document::read(&arguments.manifest, style)?;
    document::check(&document, &arguments.manifest, catalogue, style)?;
    if style.json {
        println!("{}", validation_json(&[]));
    }
    match load(
        &document,
        &LoadOptions {
            host_runner: runner_of_host(),
        },
    ) {
        Ok(manifest) if !style.json => {
            let stages: usize = manifest
                .pipelines
                .iter()
                .map(|pipeline| pipeline.stages.len())
                .sum();
            println!(
                "valid: {} pipelines, {stages} stages, {} sources",
                manifest.pipelines.len(),
                manifest.sources.len()
            );
        }
        Ok(_) => {}
        // As in osbuild the schemas alone decide; that it cannot be built is still worth knowing.
        Err(error) => {
            let diagnostic = Diagnostic::new(format!(
                "the document is valid, but cannot be built: {error}"
            ));
            let diagnostic = diagnostic.at(render_path(error.path()));
            eprint!(
                "{}",
                diagnostic
                    .render(Colour::of(&std::io::stderr()))
                    .replacen("error:", "warning:", 1)
            );
        }
    }
    Ok(Exit::Done)
}
