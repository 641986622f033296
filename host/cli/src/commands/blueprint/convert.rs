//! `osbuild-wasm blueprint convert`.
use super::check::options;
use crate::blueprint_file::BlueprintFile;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::print::{say, say_json, tell};
use crate::style::colour;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # As services send and take it
  osbuild-wasm blueprint convert web.toml --to json > web.json

  # What a request to the cloud API asks for, as a blueprint
  jq .customizations request.json | osbuild-wasm blueprint convert - --from cloud --to toml

Exit status: 0 written, 2 the blueprint cannot be used, or the command line is wrong.";

/// Write a blueprint in the other language
///
/// Sizes become bytes, other names of keys the usual ones; comments are lost.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConvertArguments {
    /// Blueprint in TOML or JSON; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The language to write
    #[arg(long, value_enum)]
    to: Language,
    /// The form that the document has
    #[arg(long, value_enum, default_value = "blueprint")]
    from: Form,
    /// Leave out keys that are not known, rather than refuse them
    #[arg(long)]
    lenient: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// A blueprint
    Blueprint,
    /// The customizations of a request to the cloud API, in JSON
    Cloud,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// For programs
    Json,
    /// For people
    Toml,
}

impl Command for ConvertArguments {
    fn run(self) -> Result {
        let file = BlueprintFile::read(&self.file)?;
        let options = options(self.lenient);
        let (blueprint, problems) = match self.from {
            Form::Blueprint => file.parse(options),
            Form::Cloud => file.parse_cloud(options),
        };
        tell(&file.explain(&problems), colour());
        let Some(blueprint) = blueprint else {
            return Ok(Exit::Invalid);
        };
        match self.to {
            Language::Json => say_json(&blueprint.to_json()),
            Language::Toml => say(&blueprint.to_toml()),
        }
        Ok(Exit::Done)
    }
}
