//! A run from its options to its exit code; `osbuild-wasm run` and osbuild's own command line both end here.
mod arguments;
mod build_environment;
mod learn;
mod open;
mod outcome;
mod record;
mod statements;
mod wanted;

pub(crate) use arguments::RunArguments;
pub(crate) use statements::Statements;

use crate::build_args::BuildArgs;
use crate::command_error::{CommandError, Exit, Result};
use crate::commands::{Command, lock};
use crate::components::{catalogue, registry};
use crate::document;
use crate::output_file;
use crate::policy_file::PolicyFile;
use crate::print::{say, say_json};
use crate::style::Style;
use build_environment::with_build_environment;
use osbuild_wasm_build::{
    AuthorizedPlan, BuildError, Denied, Devices, Plan, PlanRequest, Records, Request,
    VirtualMachines,
};
use osbuild_wasm_capability::plan::Plan as Document;
use osbuild_wasm_capability::record::LookupRecord;
use osbuild_wasm_component::Registry;
use osbuild_wasm_events::RunOutcome;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::{Value, to_python};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::{Diagnostic, Summary};
use osbuild_wasm_source::Logins;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wanted::Wanted;

/// Whose words the run speaks without --json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputDialect {
    /// Ours: a progress display, diagnostics on standard error, a table at the end.
    Own,
    /// osbuild's, on standard output.
    Osbuild,
}

/// How disks come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DevicesOption {
    /// By loop devices where this user can have them, else without
    Auto,
    /// By loop devices and mounts of the kernel
    Loop,
    /// From directories, straight into the image
    None,
}

impl DevicesOption {
    /// What is meant on this machine.
    pub(crate) fn choose(self) -> Devices {
        match self {
            Self::Auto => Devices::of_machine(),
            Self::Loop => Devices::Loop,
            Self::None => Devices::None,
        }
    }
}

/// All that a run is asked for.
#[derive(Debug)]
pub(crate) struct RunCommand {
    pub(crate) dialect: OutputDialect,
    pub(crate) args: BuildArgs,
    /// The manifest, where `args` has no more than a name for it.
    pub(crate) manifest: Option<Vec<u8>>,
    /// Pipelines built at the same time; none: as many as there are processors.
    pub(crate) jobs: Option<usize>,
    /// Directory that becomes the last pipeline's tree.
    pub(crate) output: Option<PathBuf>,
    /// File with a build environment for the document.
    pub(crate) build_env: Option<PathBuf>,
    /// Pipelines to build in a virtual machine.
    pub(crate) in_vm: Vec<String>,
    /// Directory for sockets.
    pub(crate) rundir: Option<PathBuf>,
    /// File that takes the record of the run.
    pub(crate) record: Option<PathBuf>,
    /// File that takes the policy that the run needed.
    pub(crate) learn: Option<PathBuf>,
    /// File with the policy.
    pub(crate) policy: Option<PathBuf>,
    /// Use nothing but what a lock file pins: this one, or that beside the manifest.
    pub(crate) locked: Option<Option<PathBuf>>,
    /// How disks come to be.
    pub(crate) devices: DevicesOption,
    /// Whoever asked moves the exports and says where they are then: nothing else tells of them.
    pub(crate) moves_exports: bool,
    /// File that takes the log of the build.
    pub(crate) log: Option<File>,
    /// Logins for mirrors of the manifest, which are not in it.
    pub(crate) logins: Logins,
    /// Whom was asked what the manifest should have, for the record.
    pub(crate) lookups: Vec<LookupRecord>,
    /// What is written about a build that succeeded.
    pub(crate) statements: Statements,
}

/// What a run was asked for, for statements about it.
#[derive(Debug)]
pub(crate) struct ProvenanceInput<'a> {
    /// How the user calls the manifest.
    pub(crate) name: String,
    /// SHA-256 of the document as it was read.
    pub(crate) document: String,
    /// The manifest.
    pub(crate) manifest: &'a Manifest,
    /// File with a build environment.
    pub(crate) build_environment: Option<&'a Path>,
    /// File with the record.
    pub(crate) record: Option<&'a Path>,
    /// The file of the policy in force.
    pub(crate) policy: Option<&'a Path>,
    /// The exports as they were named.
    pub(crate) exports: &'a [String],
    /// What was granted.
    pub(crate) plan: &'a Document,
}

/// Whether exported files keep their owners: osbuild's variable says otherwise where an output directory cannot have them.
fn keeps_owners() -> bool {
    let value = std::env::var_os("OSBUILD_EXPORT_FORCE_NO_PRESERVE_OWNER");
    value.is_none_or(|value| value.is_empty() || value == "0")
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// What is left to show of a run that succeeded: its table.
    pub(crate) summary: Option<Arc<Summary>>,
}

impl From<Exit> for Ended {
    fn from(exit: Exit) -> Self {
        let summary = None;
        Self { exit, summary }
    }
}

impl Command for RunCommand {
    fn style(&self) -> Style {
        match self.dialect {
            _ if self.args.json => Style::Json,
            _ if self.args.inspect => Style::RunInspect,
            OutputDialect::Osbuild => Style::Osbuild,
            OutputDialect::Own => Style::Own,
        }
    }

    fn run(self) -> Result {
        let ended = self.carry_out()?;
        if let Some(summary) = ended.summary {
            say(&format!("{}\n", summary.table(None)));
        }
        Ok(ended.exit)
    }
}

impl RunCommand {
    /// Runs, and shows everything but the table at the end. The order of checks is osbuild's: document, its validity, exports,
    /// checkpoints, `--inspect`, output directory.
    pub(crate) fn carry_out(&self) -> Result<Ended> {
        let args = &self.args;
        let registry = registry(args.libdir.as_ref())?;
        let (manifest, document, digest) = self.manifest(&registry)?;
        let wanted = Wanted::new(self, &manifest)?;
        if args.inspect {
            say_json(&to_python(&inspect(&manifest)));
            return Ok(Exit::Done.into());
        }
        let exports = wanted.exports(self, &manifest)?;
        if let Some(file) = &self.locked {
            lock::check(file.as_deref(), &args.manifest, &registry, &manifest)?;
        }
        let policy = self.policy.as_deref().map(PolicyFile::read).transpose()?;
        let names: Vec<_> = exports.iter().map(|export| export.name.clone()).collect();
        let plan = self.plan(&registry, &manifest, &names, policy.as_ref())?;
        self.statements.check(exports.len())?;
        if let Some(file) = &self.learn {
            output_file::check(file)?;
        }
        let recording = self.recording(digest.clone())?;
        let is_watched = recording.is_some() || self.learn.is_some();
        let records: Option<Arc<Records>> = is_watched.then(Arc::default);
        let machines = self.virtual_machines(&plan, &document, policy.as_ref())?;
        let watched = (records.clone(), machines);
        let opened = self.open(&plan, &exports, wanted.checkpoints, watched)?;
        let request = Request {
            plan: &plan,
            exports: &exports,
            owners: keeps_owners(),
            reports: self.statements.report_request(),
        };
        let settings = &opened.settings;
        if exports.is_empty() && self.dialect == OutputDialect::Own && !args.json {
            self.say_nothing_leaves(&manifest);
        }
        let built = opened.confined.run(settings, &opened.store, &request);
        let stages = records.as_ref().map(|records| records.take());
        let stages = stages.unwrap_or_default();
        let success = built.as_ref().is_ok_and(|built| built.success);
        self.learn(plan.document(), records.as_deref(), &stages, success)?;
        if let Some(recording) = recording {
            recording.write(&manifest, &plan, &built, stages)?;
        }
        if settings.interrupt.fired() {
            return Ok(self.interrupted(&manifest, built.ok()).into());
        }
        let built = built?;
        if built.success {
            let input = ProvenanceInput {
                name: args.manifest.display().to_string(),
                document: digest,
                manifest: &manifest,
                build_environment: self.build_env.as_deref(),
                record: self.record.as_deref(),
                policy: self.policy.as_deref(),
                exports: &names,
                plan: plan.document(),
            };
            self.statements
                .write(&input, &opened.collector.findings())?;
        }
        Ok(self.show(&manifest, &built, &opened))
    }

    /// What will run, when nothing of it is denied.
    fn plan<'a>(
        &self,
        registry: &'a Registry,
        manifest: &'a Manifest,
        exports: &'a [String],
        policy: Option<&'a PolicyFile>,
    ) -> Result<AuthorizedPlan<'a>> {
        let request = PlanRequest {
            registry,
            manifest,
            name: self.args.manifest.display().to_string(),
            exports: Some(exports),
            policy: policy.map(|file| (file.name.as_str(), &file.policy)),
        };
        let mut plan = Plan::new(&request)?;
        plan.use_virtual_machines(&self.in_vm);
        plan.authorize().map_err(|error| match (error, policy) {
            (BuildError::Denied(Denied(plan)), Some(file)) => file.denied(&plan),
            (error, _) => error.into(),
        })
    }

    /// The manifest, its document, and the SHA-256 of what was read.
    fn manifest(&self, registry: &Registry) -> Result<(Manifest, Value, String)> {
        let path = &self.args.manifest;
        let mut document = match &self.manifest {
            Some(text) => document::parse(path.display().to_string(), text.clone())?,
            None => document::read(path)?,
        };
        let digest = hex::encode(Sha256::digest(&document.text));
        if let Some(file) = &self.build_env {
            document = with_build_environment(document, file)?;
        }
        let catalogue = catalogue(registry, self.args.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue)?;
        Ok((manifest, document.value, digest))
    }

    /// The virtual machines that were asked for; what does not reach into them is refused.
    fn virtual_machines(
        &self,
        plan: &AuthorizedPlan<'_>,
        document: &Value,
        policy: Option<&PolicyFile>,
    ) -> Result<Option<VirtualMachines>> {
        let policy = policy.map(|file| (file.name.clone(), file.text.clone()));
        let text = serde_json::Value::from(document).to_string();
        let machines = VirtualMachines::new(plan, text, policy)?;
        match machines.is_some() && self.args.break_at.is_some() {
            true => Err(CommandError::invalid(Diagnostic::new(
                "--break does not reach into virtual machines: leave it or --in-vm out",
            ))),
            false => Ok(machines),
        }
    }

    /// A run without exports builds nothing, which few people mean.
    fn say_nothing_leaves(&self, manifest: &Manifest) {
        let names = manifest.pipelines.iter().map(|pipeline| &*pipeline.name);
        let names: Vec<_> = names.collect();
        if !names.is_empty() && !self.args.quiet {
            errln!(
                "hint: nothing is built without --export NAME and --output-directory DIR; the pipelines are {}",
                names.join(", ")
            );
        }
    }

    /// Ctrl-C: osbuild says one word, also where a document was asked for.
    fn interrupted(&self, manifest: &Manifest, built: Option<RunOutcome>) -> Exit {
        match (self.dialect, built) {
            (OutputDialect::Osbuild, _) => say("\nAborted\n"),
            (OutputDialect::Own, Some(built)) => self.show_failure(manifest, &built),
            (OutputDialect::Own, None) => errln!("error: interrupted"),
        }
        Exit::Interrupted
    }
}
