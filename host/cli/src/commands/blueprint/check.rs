//! `osbuild-wasm blueprint check`.
use crate::blueprint_file::BlueprintFile;
use crate::command_error::{Exit, Result};
use crate::commands::Command;
use crate::document::shown;
use crate::format::json;
use crate::print::{say, say_json, tell};
use crate::style::{Style, colour};
use clap::Args;
use osbuild_wasm_blueprint::report::{CheckReport, CheckedDocument};
use osbuild_wasm_blueprint::{Options, Strictness};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # Is it good? All that is wrong is told at once, with the line
  osbuild-wasm blueprint check web.toml

  # Another program made it
  generate | osbuild-wasm blueprint check --json -

Exit status: 0 all can be used, 2 one cannot, or the command line is wrong.";

/// Say what is wrong with blueprints
///
/// Syntax, names and types, and the rules between fields are checked; what depends on a distribution or an image type is not.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArguments {
    /// Blueprints in TOML or JSON; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Warn about keys that are not known, rather than refuse them
    #[arg(long)]
    lenient: bool,
    /// Print a document for programs; its schema is schemas/blueprint-check.schema.json
    #[arg(long)]
    json: bool,
}

/// How keys that are not known are taken.
pub(super) fn options(lenient: bool) -> Options {
    let strictness = if lenient {
        Strictness::Lenient
    } else {
        Strictness::Strict
    };
    Options {
        strictness,
        ..Options::default()
    }
}

impl Command for CheckArguments {
    fn style(&self) -> Style {
        Style::own(self.json)
    }

    fn run(self) -> Result {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|path| BlueprintFile::read(path))
            .collect::<Result<_>>()?;
        let documents = files.iter().map(|file| self.check(file)).collect();
        let report = CheckReport::new(documents);
        if self.json {
            say_json(&json(&report));
        }
        Ok(match report.success {
            true => Exit::Done,
            false => Exit::Invalid,
        })
    }
}

impl CheckArguments {
    fn check(&self, file: &BlueprintFile) -> CheckedDocument {
        let (_, problems) = file.parse(options(self.lenient));
        let checked = CheckedDocument::new(&file.name, &file.text, &problems);
        if !self.json {
            if !problems.is_empty() {
                tell(&file.explain(&problems), colour());
            }
            say(&verdict(&checked));
        }
        checked
    }
}

/// The last line about a blueprint.
fn verdict(checked: &CheckedDocument) -> String {
    let name = shown(&checked.name);
    let problems = match checked.problems.len() {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    };
    match (checked.valid, checked.problems.is_empty()) {
        (true, true) => format!("valid: {name}\n"),
        (true, false) => format!("valid: {name}, with warnings\n"),
        (false, _) => format!("invalid: {problems} in {name}\n"),
    }
}
