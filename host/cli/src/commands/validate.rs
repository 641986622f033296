//! `osbuild-wasm validate`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::components::{catalogue, registry};
use crate::document::{self, runner_of_host};
use crate::print::{say, say_json, tell};
use crate::style::{Style, colour};
use clap::Args;
use osbuild_wasm_manifest::catalogue::Catalogue;
use osbuild_wasm_manifest::load::{LoadOptions, load};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_manifest::problem::{render_path, validation_json};
use osbuild_wasm_manifest::unbuildable::unbuildable;
use osbuild_wasm_report::count;
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
    #[command(flatten)]
    checking: Checking,
}

/// How a document is checked.
#[derive(Debug, Args)]
pub(crate) struct Checking {
    /// Print the errors as JSON
    #[arg(long)]
    json: bool,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Checking {
    pub(crate) fn style(&self) -> Style {
        Style::own(self.json)
    }

    /// The schemas that count.
    pub(crate) fn catalogue(&self) -> Result<Catalogue> {
        let registry = registry(self.libdir.as_ref())?;
        Ok(catalogue(&registry, self.libdir.as_deref()))
    }
}

impl Command for ValidateArguments {
    fn style(&self) -> Style {
        self.checking.style()
    }

    fn run(self) -> Result {
        let catalogue = self.checking.catalogue()?;
        let document = document::read(&self.manifest)?;
        document::check(&document, &catalogue)?;
        if self.checking.json {
            say_json(&validation_json(&[]));
        }
        let options = LoadOptions {
            host_runner: runner_of_host(),
        };
        let loaded = load(&document.value, &options);
        if let Ok(manifest) = &loaded
            && !self.checking.json
        {
            say(&valid(manifest));
        }
        let problems = match loaded {
            Ok(manifest) => {
                for ignored in &manifest.warnings {
                    let place = render_path(&ignored.path);
                    errln!("warning: {place}: {}", ignored.message);
                }
                unbuildable(&manifest)
            }
            Err(error) => vec![error.into()],
        };
        // As in osbuild the schemas alone decide; that it cannot be built is still worth knowing.
        if !problems.is_empty() {
            tell(&document::explain(&document, &problems), colour());
            errln!("warning: the document is valid, but cannot be built");
        }
        Ok(Exit::Done)
    }
}

fn valid(manifest: &Manifest) -> String {
    let pipelines = manifest.pipelines.iter();
    format!(
        "valid: {}, {}, {}\n",
        count(manifest.pipelines.len(), "pipeline"),
        count(
            pipelines.map(|pipeline| pipeline.stages.len()).sum(),
            "stage"
        ),
        count(manifest.sources.len(), "source")
    )
}
