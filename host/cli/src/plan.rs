//! `osbuild-wasm plan`.
use crate::components::{catalogue, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail};
use crate::format::Format;
use crate::job::DevicesOption;
use crate::policy::PolicyFile;
use clap::Args;
use osbuild_wasm_build::{Plan, PlanRequest};
use osbuild_wasm_report::{Diagnostic, plan_sheet};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # Who may do what to which files, and who reaches which hosts?
  osbuild-wasm plan manifest.json

  # What would a policy say? The exit status is 1 when it denies something
  osbuild-wasm plan --policy ci.toml manifest.json

  # A page for whoever has to sign this off
  osbuild-wasm plan --format html manifest.json > plan.html

  # Can this user build it on this machine, and how do its disks come to be? The exit status is 1 when a run would be refused
  osbuild-wasm plan --devices=auto manifest.json

  # Has the build more rights than last week? The exit status is 1 when it has
  osbuild-wasm plan --format json manifest.json > new.json
  osbuild-wasm audit diff old.json new.json

Reading the table: \"May call\" are the interfaces that the stage's component imports, and the programs it can run through them; \"May
touch\" are verbs on paths with the options of the manifest filled in; what is not there is refused while the stage runs. Stages have no
network; a host in that column is reached through a proxy that knows no other.

Exit status: 0 shown and granted, 1 denied by the policy or not possible on this machine, 2 the manifest, the policy or the command line is wrong.";

/// Show what every source and stage of a manifest would get: component, interfaces, verbs on paths, programs, devices, network, and what
/// a policy decides; nothing is run or fetched
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArguments {
    /// The manifest; `-` reads standard input
    manifest: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Decide by this policy (TOML); without one everything that is asked for is granted
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Only what has to be built for this pipeline, by name or id; may be given several times
    #[arg(long, value_name = "NAME")]
    export: Vec<String>,
    /// Say how disks come to be on this machine for this user (see `run --devices`), and which stages cannot run so
    #[arg(long, value_name = "WAY", value_enum)]
    devices: Option<DevicesOption>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

pub(crate) fn plan(arguments: &PlanArguments) -> Exit {
    attempt(arguments).unwrap_or_else(|exit| exit)
}

fn attempt(arguments: &PlanArguments) -> Result<Exit, Exit> {
    let style = Style::own(false);
    let failed =
        |error: &dyn std::error::Error| fail(Exit::Failed, false, &Diagnostic::from_error(error));
    let policy = arguments
        .policy
        .as_deref()
        .map(|path| PolicyFile::read(path, style))
        .transpose()?;
    let registry = registry(arguments.libdir.as_ref()).map_err(|error| failed(&error))?;
    let document = document::read(&arguments.manifest, style)?;
    let catalogue = catalogue(&registry, arguments.libdir.as_deref());
    let manifest = document::manifest(&document, &catalogue, style)?;
    if let Some(name) = arguments
        .export
        .iter()
        .find(|name| manifest.find(name).is_none())
    {
        let names = manifest.pipelines.iter().map(|pipeline| &pipeline.name);
        let near = osbuild_wasm_manifest::nearest::nearest(name, names);
        let diagnostic = Diagnostic::new(format!(
            "--export {name}: the manifest has no such pipeline"
        ));
        let hint = near.map(|near| format!("did you mean {near}?"));
        return Err(fail(
            Exit::Invalid,
            false,
            &hint.into_iter().fold(diagnostic, Diagnostic::hint),
        ));
    }
    let request = PlanRequest {
        registry: &registry,
        manifest: &manifest,
        name: document.name.clone(),
        exports: Some(&*arguments.export).filter(|exports| !exports.is_empty()),
        policy: policy
            .as_ref()
            .map(|file| (file.name.as_str(), &file.policy)),
    };
    let mut plan = Plan::new(&request).map_err(|error| failed(&error))?;
    if let Some(devices) = arguments.devices {
        plan.look_ahead(devices.choose(), Path::new("."));
    }
    let document = plan.document();
    arguments.format.print(document, || plan_sheet(document));
    match &policy {
        Some(file) if !document.granted() => Ok(file.denied(document, false)),
        None if !document.granted() => Ok(Exit::Failed),
        _ if !document.is_possible() => Ok(Exit::Failed),
        _ => Ok(Exit::Done),
    }
}
