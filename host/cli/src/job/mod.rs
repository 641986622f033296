//! A run from its options to its exit code; `osbuild-wasm run` and osbuild's own command line both end here.
mod learn;
mod open;
mod outcome;
mod record;
mod wanted;

use crate::components::{catalogue, exit_of, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail, say, say_json};
use crate::legacy::with_build_environment;
use crate::lock;
use crate::order::Order;
use crate::output;
use crate::policy::PolicyFile;
use crate::statements::Statements;
use osbuild_wasm_build::{
    AuthorizedPlan, BuildError, Denied, Devices, Plan, PlanRequest, Records, Request,
    VirtualMachines,
};
use osbuild_wasm_capability::plan::Plan as Document;
use osbuild_wasm_component::Registry;
use osbuild_wasm_events::RunOutcome;
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::{Value, to_python};
use osbuild_wasm_manifest::model::Manifest;
use osbuild_wasm_report::Diagnostic;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wanted::Wanted;

/// Whose words the run speaks where nobody asked for JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
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
pub(crate) struct Job {
    pub(crate) manner: Manner,
    pub(crate) order: Order,
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
    /// What is written about a build that succeeded.
    pub(crate) statements: Statements,
}

/// What a run was asked for, for statements about it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
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

impl Job {
    pub(crate) fn run(&self) -> Exit {
        self.attempt().unwrap_or_else(|exit| exit)
    }

    /// The order of checks is osbuild's: document, its validity, exports, checkpoints, `--inspect`, output directory.
    fn attempt(&self) -> Result<Exit, Exit> {
        let order = &self.order;
        let registry = registry(order.libdir.as_ref()).map_err(|error| {
            fail(
                exit_of(&error),
                self.order.json,
                &Diagnostic::from_error(&error),
            )
        })?;
        let (manifest, document, digest) = self.manifest(&registry)?;
        let wanted = Wanted::new(self, &manifest)?;
        if order.inspect {
            say_json(&to_python(&inspect(&manifest)));
            return Ok(Exit::Done);
        }
        let exports = wanted.exports(self, &manifest)?;
        if let Some(file) = &self.locked {
            lock::check(
                file.as_deref(),
                &order.manifest,
                &registry,
                &manifest,
                order.json,
            )?;
        }
        let policy = self.policy()?;
        let names: Vec<_> = exports.iter().map(|export| export.name.clone()).collect();
        let plan = self.plan(&registry, &manifest, &names, policy.as_ref())?;
        self.statements
            .check(exports.len())
            .map_err(|diagnostic| self.refused(&diagnostic))?;
        if let Some(file) = &self.learn {
            output::check(file).map_err(|diagnostic| self.refused(&diagnostic))?;
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
            account: self.statements.account(),
        };
        let settings = &opened.settings;
        if exports.is_empty() && self.manner == Manner::Own && !self.order.json {
            self.say_nothing_leaves(&manifest);
        }
        let built = opened.confined.run(settings, &opened.store, &request);
        let stages = records.as_ref().map(|records| records.take());
        let stages = stages.unwrap_or_default();
        let success = built.as_ref().is_ok_and(|built| built.success);
        self.learn(plan.document(), records.as_deref(), &stages, success)?;
        if let Some(recording) = recording {
            recording
                .write(&manifest, &plan, &built, stages)
                .map_err(|error| self.failed(&error))?;
        }
        if settings.interrupt.fired() {
            return Ok(self.interrupted(&manifest, built.ok()));
        }
        let built = built.map_err(|error| self.failed(&error))?;
        if built.success {
            let asked = Asked {
                name: order.manifest.display().to_string(),
                document: digest,
                manifest: &manifest,
                build_environment: self.build_env.as_deref(),
                record: self.record.as_deref(),
                policy: self.policy.as_deref(),
                exports: &names,
                plan: plan.document(),
            };
            self.statements
                .write(&asked, &opened.gatherer.findings())
                .map_err(|diagnostic| fail(Exit::Failed, order.json, &diagnostic))?;
        }
        Ok(self.show(&manifest, &built, &opened))
    }

    fn policy(&self) -> Result<Option<PolicyFile>, Exit> {
        let read = |path: &PathBuf| PolicyFile::read(path, self.style());
        self.policy.as_ref().map(read).transpose()
    }

    /// What will run, when nothing of it is denied.
    fn plan<'a>(
        &self,
        registry: &'a Registry,
        manifest: &'a Manifest,
        exports: &'a [String],
        policy: Option<&'a PolicyFile>,
    ) -> Result<AuthorizedPlan<'a>, Exit> {
        let request = PlanRequest {
            registry,
            manifest,
            name: self.order.manifest.display().to_string(),
            exports: Some(exports),
            policy: policy.map(|file| (file.name.as_str(), &file.policy)),
        };
        let plan = Plan::new(&request).map_err(|error| self.failed(&error))?;
        plan.authorize().map_err(|error| match (error, policy) {
            (BuildError::Denied(Denied(plan)), Some(file)) => file.denied(&plan, self.order.json),
            (error, _) => self.failed(&error),
        })
    }

    fn style(&self) -> Style {
        match self.manner {
            _ if self.order.json || self.order.inspect => Style::Json,
            Manner::Osbuild => Style::Osbuild,
            Manner::Own => Style::Own,
        }
    }

    /// An error before the build.
    fn failed(&self, error: &dyn Error) -> Exit {
        fail(
            Exit::Failed,
            self.order.json,
            &Diagnostic::from_error(error),
        )
    }

    fn refused(&self, diagnostic: &Diagnostic) -> Exit {
        fail(Exit::Invalid, self.order.json, diagnostic)
    }

    /// The manifest, its document, and the SHA-256 of what was read.
    fn manifest(&self, registry: &Registry) -> Result<(Manifest, Value, String), Exit> {
        let mut document = document::read(&self.order.manifest, self.style())?;
        let digest = hex::encode(Sha256::digest(&document.text));
        if let Some(file) = &self.build_env {
            document = with_build_environment(document, file, self.style())?;
        }
        let catalogue = catalogue(registry, self.order.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue, self.style())?;
        Ok((manifest, document.value, digest))
    }

    /// The virtual machines that were asked for; what does not reach into them is refused.
    fn virtual_machines(
        &self,
        plan: &AuthorizedPlan<'_>,
        document: &Value,
        policy: Option<&PolicyFile>,
    ) -> Result<Option<VirtualMachines>, Exit> {
        let policy = policy.map(|file| (file.name.clone(), file.text.clone()));
        let text = serde_json::Value::from(document).to_string();
        let machines = VirtualMachines::new(plan, &self.in_vm, text, policy);
        let machines = machines.map_err(|error| self.failed(&error))?;
        let others = [
            ("--record", self.record.is_some()),
            ("--learn", self.learn.is_some()),
            ("--break", self.order.break_at.is_some()),
        ];
        let other = others.iter().find(|(_, given)| *given);
        match (&machines, other) {
            (Some(_), Some((option, _))) => Err(self.refused(&Diagnostic::new(format!(
                "{option} does not reach into virtual machines: leave it or --in-vm out"
            )))),
            _ => Ok(machines),
        }
    }

    /// A run without exports builds nothing, which few people mean.
    fn say_nothing_leaves(&self, manifest: &Manifest) {
        let names = manifest.pipelines.iter().map(|pipeline| &*pipeline.name);
        let names: Vec<_> = names.collect();
        if !names.is_empty() && !self.order.quiet {
            errln!(
                "hint: nothing is built without --export NAME and --output-directory DIR; the pipelines are {}",
                names.join(", ")
            );
        }
    }

    /// Ctrl-C: osbuild says one word, also where a document was asked for.
    fn interrupted(&self, manifest: &Manifest, built: Option<RunOutcome>) -> Exit {
        match (self.manner, built) {
            (Manner::Osbuild, _) => say("\nAborted\n"),
            (Manner::Own, Some(built)) => self.show_failure(manifest, &built),
            (Manner::Own, None) => errln!("error: interrupted"),
        }
        Exit::Interrupted
    }
}
