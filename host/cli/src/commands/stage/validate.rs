//! `osbuild-wasm stage validate`.
use super::module_kind;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::commands::validate::Checking;
use crate::document;
use crate::style::Style;
use clap::Args;
use osbuild_wasm_manifest::model::Version;
use osbuild_wasm_manifest::validate::validate_module;
use std::path::PathBuf;

/// Check a module's document as it stands in a manifest
#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    /// Module name, e.g. org.osbuild.mkdir
    name: String,
    /// The document (JSON)
    #[arg(long, value_name = "FILE")]
    args: PathBuf,
    /// Format of the manifest that it is from
    #[arg(long, default_value = "2", value_parser = ["1", "2"])]
    schema_version: String,
    /// Kind of the module
    #[arg(long, default_value = "stage", value_parser = ["stage", "assembler", "source", "input", "device", "mount"])]
    kind: String,
    #[command(flatten)]
    checking: Checking,
}

impl Command for ValidateArguments {
    fn style(&self) -> Style {
        self.checking.style()
    }

    fn run(self) -> Result {
        let document = document::read(&self.args)?;
        let version = match self.schema_version.as_str() {
            "1" => Version::V1,
            _ => Version::V2,
        };
        let catalogue = self.checking.catalogue()?;
        let kind = module_kind(&self.kind);
        let errors = validate_module(&catalogue, kind, &self.name, &document.value, version);
        if errors.is_empty() {
            return Ok(Exit::Done);
        }
        Err(document::invalid(&document, errors))
    }
}
