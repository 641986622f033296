//! `osbuild-wasm stage show`.
use super::component;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::components::{kind, registry};
use crate::print::say_json;
use clap::Args;
use osbuild_wasm_capability::ModuleMetadata;
use osbuild_wasm_component::{Module, Origin};
use std::path::PathBuf;

/// Show what a stage or assembler is, what it may ask for, and its options
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Module name, e.g. org.osbuild.mkdir
    name: String,
    /// Kind of the module
    #[arg(long, default_value = "stage", value_parser = ["stage", "assembler"])]
    kind: String,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Command for ShowArguments {
    fn run(self) -> Result {
        let registry = registry(self.libdir.as_ref())?;
        let module = component(&registry, kind(&self.kind), &self.name)?;
        print_rights(&module);
        print_schemas(&module.metadata);
        Ok(Exit::Done)
    }
}

/// What the module is, and what it may ask for.
fn print_rights(module: &Module) {
    let metadata = &module.metadata;
    outln!(
        "{} ({}): {}",
        metadata.name,
        metadata.kind,
        metadata.summary
    );
    for paragraph in &metadata.description {
        outln!("  {paragraph}");
    }
    let origin = match &module.origin {
        Origin::Builtin => "built in".to_owned(),
        Origin::File(path) => path.display().to_string(),
    };
    let interfaces: Vec<_> = module
        .request
        .interfaces
        .iter()
        .map(ToString::to_string)
        .collect();
    let none = |list: &[String]| {
        if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(", ")
        }
    };
    outln!(
        "\ncomponent:           {origin}, {} bytes, sha256 {}",
        module.bytes.len(),
        module.digest
    );
    outln!("interfaces:          {}", none(&interfaces));
    outln!("programs:            {}", none(&metadata.programs));
    if let Some(places) = metadata
        .programs_touch
        .as_ref()
        .filter(|_| !metadata.programs.is_empty())
    {
        outln!("programs touch:      {}", none(&places.shown(|_| true)));
    }
    outln!("Linux capabilities:  {}", none(&metadata.capabilities));
    outln!("reads of build root: {}", none(&metadata.reads));
}

fn print_schemas(metadata: &ModuleMetadata) {
    let schemas = [
        ("schema", &metadata.schema),
        ("schema_2", &metadata.schema_2),
    ];
    for (key, schema) in schemas {
        if let Some(schema) = schema {
            outln!("\n{key}:");
            say_json(&serde_json::to_string_pretty(schema).unwrap_or_default());
        }
    }
}
