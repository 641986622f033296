//! `osbuild-wasm manifest`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::image::{
    DefinitionsArguments, ImageArguments, OriginArguments, Purpose, ResolveArguments, Shows, wrong,
};
use crate::print::say_json;
use clap::Args;
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_generator::mock::Document;
use osbuild_wasm_report::Diagnostic;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # The manifest of a disk for QEMU; the same seed makes the same identifiers
  osbuild-wasm manifest qcow2 --distro fedora-43 --blueprint web.toml --seed 1 > manifest.json

  # What it may do on this machine
  osbuild-wasm plan manifest.json";

/// Make the manifest of an image from a distribution, an image type and a blueprint
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManifestArguments {
    /// Image type: a name or an alias that `osbuild-wasm list` shows
    #[arg(value_name = "TYPE", required_unless_present = "mock")]
    image_type: Option<String>,
    #[command(flatten)]
    origin: OriginArguments,
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    resolve: ResolveArguments,
    /// Invent all content: for comparing generators
    #[arg(long, hide = true, requires = "request", conflicts_with = "image_type")]
    mock: bool,
    /// Document with all that a manifest is made from
    #[arg(long, hide = true, value_name = "FILE", requires = "mock")]
    request: Option<PathBuf>,
}

impl Command for ManifestArguments {
    fn run(self) -> Result {
        let manifest = match &self.request {
            Some(file) => mocked(file)?,
            None => {
                let request = self
                    .image
                    .request(self.image_type.as_deref().unwrap_or_default(), &self.origin)?;
                let resolved =
                    self.resolve
                        .manifest(&request, Purpose::Document, false, Shows::Problems)?;
                resolved.manifest.to_string()
            }
        };
        say_json(&manifest);
        Ok(Exit::Done)
    }
}

/// The manifest of a request document, its content invented.
fn mocked(file: &Path) -> Result<String> {
    let name = file.display();
    let wrong_document = |cause: String| {
        let diagnostic = Diagnostic::new(format!("cannot use the request {name}"));
        CommandError::invalid(diagnostic.cause(cause))
    };
    let text =
        read_text(file, LARGEST_DOCUMENT).map_err(|error| wrong_document(error.to_string()))?;
    let document: Document =
        serde_json::from_str(&text).map_err(|error| wrong_document(error.to_string()))?;
    let blueprint = Blueprint::from_json(&document.blueprint.to_string())
        .map_err(|problems| {
            wrong_document(
                problems
                    .iter()
                    .map(|problem| problem.message.clone())
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?
        .blueprint;
    let definitions = DefinitionsArguments::default().load()?;
    let invalid = |error| CommandError::invalid(wrong(error));
    let distro = definitions.distro(&document.distro).map_err(invalid)?;
    let image_type = definitions
        .image_type(&distro, document.arch, &document.image_type)
        .map_err(invalid)?;
    Ok(document
        .manifest(&distro, &image_type, &blueprint)?
        .to_string())
}
