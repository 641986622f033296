//! `osbuild-wasm blueprint explain`.
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::format::json;
use crate::image::{ImageArguments, OriginArguments};
use crate::print::{say, say_json};
use clap::Args;
use osbuild_wasm_generator::explain::{Change, ChangeKind, Effect, explain};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # Each member: which pipeline, which stage, which options
  osbuild-wasm blueprint explain web.toml qcow2 --distro fedora-43

The manifest is made with and without each member; what differs is what the member does. No repository is asked.";

/// Say what each member of a blueprint does to an image
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    /// The blueprint, TOML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Image type: a name or an alias that `osbuild-wasm list` shows
    #[arg(value_name = "TYPE")]
    image_type: String,
    #[command(flatten)]
    image: ImageArguments,
    /// Print a document for programs
    #[arg(long)]
    json: bool,
}

impl Command for ExplainArguments {
    fn run(self) -> Result {
        let origin = OriginArguments {
            blueprint: Some(self.file),
            seed: Some(0),
        };
        let request = self.image.request(&self.image_type, &origin)?;
        let effects = explain(&request.as_request())?;
        match self.json {
            true => say_json(&json(&effects.iter().map(document).collect::<Vec<_>>())),
            false => say(&effects.iter().map(text).collect::<String>()),
        }
        Ok(Exit::Done)
    }
}

fn document(effect: &Effect) -> Value {
    let change = |change: &Change| {
        let mut document = json!({"pipeline": change.pipeline});
        match &change.kind {
            ChangeKind::Packages(names) => document["packages"] = json!(names),
            ChangeKind::Added(stage, options) => {
                document["stage"] = json!(stage);
                document["options"] = options.clone();
            }
            ChangeKind::Changed(stage, options) => {
                document["stage"] = json!(stage);
                document["changed"] = options.clone();
            }
            ChangeKind::Removed(stage) => document["removed"] = json!(stage),
        }
        document
    };
    json!({"member": effect.member, "changes": effect.changes.iter().map(change).collect::<Vec<_>>()})
}

fn text(effect: &Effect) -> String {
    let mut text = format!("{}\n", effect.member);
    if effect.changes.is_empty() {
        text.push_str("  nothing\n");
    }
    for Change { pipeline, kind } in &effect.changes {
        _ = match kind {
            ChangeKind::Packages(names) => {
                writeln!(text, "  {pipeline}: packages {}", names.join(", "))
            }
            ChangeKind::Added(stage, Value::Null) => writeln!(text, "  {pipeline}: {stage}"),
            ChangeKind::Added(stage, options) => writeln!(text, "  {pipeline}: {stage} {options}"),
            ChangeKind::Changed(stage, options) => {
                writeln!(text, "  {pipeline}: {stage} with {options}")
            }
            ChangeKind::Removed(stage) => writeln!(text, "  {pipeline}: no {stage}"),
        };
    }
    text
}
