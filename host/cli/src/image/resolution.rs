//! Content of the network, and the manifest that is made of it.
use super::ImageRequest;
use crate::command_error::{CommandError, Result};
use clap::Args;
use osbuild_wasm_generator::content::ResolvedContent;
use osbuild_wasm_generator::plan::{Needs, Plan};
use osbuild_wasm_report::Diagnostic;
use serde_json::Value;
use std::path::PathBuf;

/// How packages are chosen.
#[derive(Debug, Args)]
pub(crate) struct ResolveArguments {
    /// Directory for the metadata of repositories
    #[arg(long, value_name = "DIR")]
    rpmmd_cache: Option<PathBuf>,
    /// Program that chooses packages, with the protocol of osbuild-depsolve-dnf; the program's own when it is not given
    #[arg(long, value_name = "PROGRAM")]
    solver: Option<PathBuf>,
}

impl ResolveArguments {
    /// The manifest of a request, its content resolved.
    pub(crate) fn manifest(&self, request: &ImageRequest) -> Result<Value> {
        let plan = Plan::new(request.as_request()).map_err(generator_error)?;
        let resolved = self.resolve(request, &plan.content())?;
        plan.manifest(&resolved).map_err(generator_error)
    }

    fn resolve(&self, _request: &ImageRequest, _needs: &Needs) -> Result<Vec<ResolvedContent>> {
        Err(CommandError::failed(Diagnostic::new(
            "packages cannot be resolved yet",
        )))
    }
}

fn generator_error(error: osbuild_wasm_generator::GeneratorError) -> CommandError {
    CommandError::failed(Diagnostic::from_error(&error))
}
