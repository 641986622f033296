//! `osbuild-wasm blueprint schema`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::format::json;
use crate::print::say_json;
use clap::{Args, ValueEnum};
use osbuild_wasm_blueprint::report::CheckReport;
use osbuild_wasm_blueprint::schema;

const EXAMPLES: &str = "\
Examples:
  # So that an editor completes keys: name the file in the first line of a blueprint
  osbuild-wasm blueprint schema > blueprint.schema.json
  echo '#:schema ./blueprint.schema.json' > my.toml
  osbuild-wasm blueprint new >> my.toml";

/// Print the JSON Schema of blueprints, for editors
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArguments {
    /// The documents that the schema is of
    #[arg(long, value_enum, default_value = "blueprint")]
    of: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// Blueprints
    Blueprint,
    /// What `blueprint check --json` prints
    Check,
}

impl Command for SchemaArguments {
    fn run(self) -> Result {
        match self.of {
            Document::Blueprint => say_json(&json(schema())),
            Document::Check => say_json(&json(&CheckReport::schema())),
        }
        Ok(Exit::Done)
    }
}
