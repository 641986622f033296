//! `osbuild-wasm blueprint check`.
use crate::blueprint_file::BlueprintFile;
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::document::shown;
use crate::format::json;
use crate::image::{TargetArguments, local_files, wrong};
use crate::print::{say, say_json, tell};
use crate::style::{Style, colour};
use clap::Args;
use osbuild_wasm_blueprint::report::{CheckReport, CheckedDocument};
use osbuild_wasm_blueprint::{Blueprint, Options, Strictness};
use osbuild_wasm_distro::Definitions;
use osbuild_wasm_generator::GeneratorError;
use osbuild_wasm_generator::checks::{self, Finding};
use osbuild_wasm_generator::explain::rehearse;
use osbuild_wasm_generator::request::{Options as RequestOptions, OstreeOptions, Request};
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # Is it good? All that is wrong is told at once, with the line
  osbuild-wasm blueprint check web.toml

  # For what it is meant for: also what the image type does not take
  osbuild-wasm blueprint check web.toml --type qcow2 --distro fedora-43

  # Another program made it
  generate | osbuild-wasm blueprint check --json -

Exit status: 0 all can be used, 2 one cannot, or the command line is wrong.";

/// Say what is wrong with blueprints
///
/// Syntax, names and types, and the rules between fields are checked; with --type also what depends on the distribution and the image
/// type, as far as it is known without packages and a network.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArguments {
    /// Blueprints in TOML or JSON; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Image type that they are for: a name or an alias that `osbuild-wasm list` shows
    #[arg(long = "type", value_name = "TYPE")]
    image_type: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
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
        let target = &self.target;
        let names_system = target.distro.is_some() || target.arch.is_some();
        if self.image_type.is_none() && (names_system || !target.definitions.definitions.is_empty())
        {
            let message = "--distro, --arch and --definitions are about an image type: add --type";
            return Err(CommandError::invalid(Diagnostic::new(message)));
        }
        let definitions = target.definitions.load()?;
        let files: Vec<_> = self
            .files
            .iter()
            .map(|path| BlueprintFile::read(path))
            .collect::<Result<_>>()?;
        let documents = files.iter().map(|file| self.check(file, &definitions));
        let report = CheckReport::new(documents.collect::<Result<_>>()?);
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
    fn check(&self, file: &BlueprintFile, definitions: &Definitions) -> Result<CheckedDocument> {
        let (blueprint, mut problems) = file.parse(Options {
            services: true,
            ..options(self.lenient)
        });
        let mut target = String::new();
        if let (Some(name), Some(blueprint)) = (&self.image_type, &blueprint) {
            let (system, findings) = self.findings(name, blueprint, definitions)?;
            problems.extend(file.located(&findings));
            problems.sort_by_key(|problem| problem.span.start);
            target = format!(", for {system}");
        }
        let checked = CheckedDocument::new(&file.name, &file.text, &problems);
        if !self.json {
            tell(&file.explain(&problems), colour());
            say(&verdict(&checked, &target));
        }
        Ok(checked)
    }

    /// The image type with its system, and what it does not take of a blueprint.
    fn findings(
        &self,
        name: &str,
        blueprint: &Blueprint,
        definitions: &Definitions,
    ) -> Result<(String, Vec<Finding>)> {
        let (target, mut findings) = self.target.of(blueprint, definitions)?;
        let (distro, arch) = (target.distro(definitions)?, target.arch()?);
        let image_type = definitions
            .image_type(&distro, arch, name)
            .map_err(|error| CommandError::invalid(wrong(error)))?;
        let (local_files, missing) = local_files(blueprint);
        let request = |options| Request {
            distro: &distro,
            arch,
            image_type: &image_type,
            blueprint,
            options,
            repositories: &[],
            local_files: &local_files,
            bootc: None,
            bootc_build: None,
            seed: 0,
        };
        let (none, given) = (RequestOptions::default(), given_later());
        let is_of_option = |finding: &Finding| finding.path.is_none();
        let request = match checks::check(&request(&none)).iter().any(is_of_option) {
            true => request(&given),
            false => request(&none),
        };
        findings.extend(missing);
        findings.extend(checks::check(&request));
        if findings.iter().all(|finding| finding.is_warning) {
            let error = rehearse(&request).err();
            findings.extend(error.map(|error| of_whole(&error, blueprint)));
        }
        let system = format!("{} of {} on {arch}", image_type.name, distro.name);
        Ok((system, findings))
    }
}

/// In place of what is given when an image is made: the repository that some types of OSTree need.
fn given_later() -> RequestOptions {
    RequestOptions {
        ostree: Some(OstreeOptions {
            url: "https://ostree.example".into(),
            ..OstreeOptions::default()
        }),
        ..RequestOptions::default()
    }
}

/// Why no manifest can be made, as an error of the part of the blueprint that it is about.
fn of_whole(error: &GeneratorError, blueprint: &Blueprint) -> Finding {
    let mut path = vec!["customizations".into()];
    let hint = match error {
        GeneratorError::PartitionTable(_) => {
            let has_disk = blueprint.customizations.disk.is_some();
            path.push(if has_disk { "disk" } else { "filesystem" }.into());
            "the partitions of the type itself, `osbuild-wasm describe` shows them, and those of the blueprint make the disk"
        }
        _ => "the blueprint asks for what this type cannot be",
    };
    Finding::error(path, error.to_string(), "cannot be made", hint)
}

/// The last line about a blueprint.
fn verdict(checked: &CheckedDocument, target: &str) -> String {
    let name = shown(&checked.name);
    let problems = match checked.problems.len() {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    };
    match (checked.valid, checked.problems.is_empty()) {
        (true, true) => format!("valid: {name}{target}\n"),
        (true, false) => format!("valid: {name}{target}, with warnings\n"),
        (false, _) => format!("invalid: {problems} in {name}{target}\n"),
    }
}
