//! `osbuild-wasm plan`.
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::Command;
use crate::commands::run::DevicesOption;
use crate::components::{catalogue, registry};
use crate::document;
use crate::format::Format;
use crate::policy_file::PolicyFile;
use clap::Args;
use osbuild_wasm_build::{Plan, PlanRequest};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_report::{Diagnostic, plan_table};
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

  # What would a virtual machine boot, and is there all that it takes? The exit status is 1 when a run would be refused
  osbuild-wasm plan --in-vm image manifest.json

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
    /// Say what the pipeline NAME would have when `run` builds it in a virtual machine, and what keeps it from that; may be given
    /// several times
    #[arg(long, value_name = "NAME")]
    in_vm: Vec<String>,
    /// Directory with plugins (`*.wasm`)
    #[arg(short, long, value_name = "DIR")]
    libdir: Option<PathBuf>,
}

impl Command for PlanArguments {
    fn run(self) -> Result {
        let policy = self.policy.as_deref().map(PolicyFile::read).transpose()?;
        let registry = registry(self.libdir.as_ref())?;
        let document = document::read(&self.manifest)?;
        let catalogue = catalogue(&registry, self.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue)?;
        self.check_names(&manifest)?;
        let request = PlanRequest {
            registry: &registry,
            manifest: &manifest,
            name: document.name.clone(),
            exports: Some(&*self.export).filter(|exports| !exports.is_empty()),
            policy: policy
                .as_ref()
                .map(|file| (file.name.as_str(), &file.policy)),
        };
        let mut plan = Plan::new(&request)?;
        plan.use_virtual_machines(&self.in_vm);
        if let Some(devices) = self.devices {
            plan.look_ahead(devices.choose(), Path::new("."));
        }
        let document = plan.document();
        self.format.print(document, || plan_table(document));
        match &policy {
            Some(file) if !document.granted() => Err(file.denied(document)),
            None if !document.granted() => Ok(Exit::Failed),
            _ if !document.is_possible() => Ok(Exit::Failed),
            _ => Ok(Exit::Done),
        }
    }
}

impl PlanArguments {
    fn check_names(&self, manifest: &Manifest) -> Result<()> {
        let exports = self.export.iter().map(|name| ("--export", name));
        let machines = self.in_vm.iter().map(|name| ("--in-vm", name));
        let mut all = exports.chain(machines);
        let Some((option, name)) = all.find(|(_, name)| manifest.find(name).is_none()) else {
            return Ok(());
        };
        let names = manifest.pipelines.iter().map(|pipeline| &pipeline.name);
        let diagnostic = Diagnostic::new(format!(
            "{option} {name}: the manifest has no such pipeline"
        ));
        let hint = nearest(name, names).map(|near| format!("did you mean {near}?"));
        let diagnostic = hint.into_iter().fold(diagnostic, Diagnostic::hint);
        Err(CommandError::invalid(diagnostic))
    }
}
