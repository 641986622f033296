//! A run from its options to its exit code; `osbuild-wasm run` and osbuild's own command line both end here.
mod learn;
mod outcome;
mod plan;
mod record;

use crate::components::{catalogue, engine, exit_of, registry};
use crate::document::{self, Style};
use crate::exit::{Exit, fail, say};
use crate::legacy::with_build_environment;
use crate::lock;
use crate::monitor::{self, Monitor};
use crate::order::Order;
use crate::policy::PolicyFile;
use crate::statements::Statements;
use osbuild_wasm_build::{
    BuildError, Devices, HelperProcesses, Interrupt, Isolation, PlanRequest, Records, Request,
    SHELL, Settings, charter, isolate, needed_by, needed_by_stage, plan as make_plan,
    refuse_impossible, run as build, scopes_of,
};
use osbuild_wasm_capability::Policy;
use osbuild_wasm_component::{Installed, Kind, Module, Registry};
use osbuild_wasm_manifest::inspect::inspect;
use osbuild_wasm_manifest::json::to_python;
use osbuild_wasm_manifest::model::{Manifest, Stage, StageClass, Version};
use osbuild_wasm_manifest::run::{Observer, RunOutcome};
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_report::{Diagnostic, Fanout, Gatherer, Summary};
use osbuild_wasm_store::Store;
use plan::Plan;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    fn choose(self, isolation: &Isolation) -> Devices {
        match self {
            Self::Auto => Devices::of_machine(isolation),
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
    /// The policy in force and its file.
    pub(crate) policy: Option<(&'a Path, &'a Policy)>,
    /// The exports as they were named.
    pub(crate) exports: Vec<String>,
    /// The components.
    pub(crate) registry: &'a Registry,
}

/// Everything that a build works with.
struct Workshop {
    settings: Settings,
    store: Store,
    isolation: Isolation,
    summary: Arc<Summary>,
    gatherer: Arc<Gatherer>,
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
        let (manifest, digest) = self.manifest(&registry)?;
        let plan = Plan::new(self, &manifest)?;
        if order.inspect {
            say(&format!("{}\n", to_python(&inspect(&manifest))));
            return Ok(Exit::Done);
        }
        let exports = plan.exports(self, &manifest)?;
        self.refuse_what_is_not_there(&manifest)?;
        if let Some(file) = &self.locked {
            lock::check(
                file.as_deref(),
                &order.manifest,
                &registry,
                &manifest,
                order.json,
            )?;
        }
        let policy = self.policy(&registry, &manifest)?;
        let learning = self.learning(&registry, &manifest)?;
        self.statements
            .check(exports.len())
            .map_err(|diagnostic| self.refused(&diagnostic))?;
        let recording = self.recording(digest.clone())?;
        let wanted = recording.is_some() || learning.is_some();
        let records: Option<Arc<Records>> = wanted.then(Arc::default);
        let request = Request {
            manifest: &manifest,
            name: order.manifest.display().to_string(),
            exports,
            account: self.statements.account(),
        };
        let workshop = self.open(registry, &request, &plan, policy, records.clone())?;
        let Workshop {
            settings, store, ..
        } = &workshop;
        let built = build(settings, store, &workshop.isolation, &request);
        let stages = records.map(|records| records.take()).unwrap_or_default();
        if let Some(learning) = learning {
            let success = built.as_ref().is_ok_and(|built| built.success);
            learning.write(&stages, success, order.json)?;
        }
        if let Some(recording) = recording {
            recording
                .write(&manifest, &built, stages)
                .map_err(|error| self.failed(&error))?;
        }
        if settings.interrupt.fired() {
            return Ok(self.interrupted(&manifest, built.ok()));
        }
        let built = built.map_err(|error| self.failed(&error))?;
        if built.success {
            self.state(&request, digest, &workshop)?;
        }
        Ok(self.show(
            &manifest,
            &built,
            &plan.checkpoints,
            store,
            &workshop.summary,
        ))
    }

    /// Opens the store, starts the helpers and gives up what only these needed.
    fn open(
        &self,
        registry: Registry,
        request: &Request<'_>,
        plan: &Plan,
        policy: Option<Policy>,
        records: Option<Arc<Records>>,
    ) -> Result<Workshop, Exit> {
        let order = &self.order;
        let directory = self.make_store()?;
        let installed = Installed::of_program();
        let isolation = isolate(&directory).map_err(|error| self.failed(&error))?;
        let (manifest, pipelines) = (request.manifest, request.pipelines());
        let devices = self.devices.choose(&isolation);
        let needed = (manifest, &*pipelines);
        refuse_impossible(&isolation, devices, &registry, needed, &directory)
            .map_err(|error| self.failed(&error))?;
        let store = Store::open(&directory).map_err(|error| self.failed(&error))?;
        if let Some(size) = order.cache_max_size {
            store
                .set_limit(size.limit())
                .map_err(|error| self.failed(&error))?;
        }
        let rundir = self.rundir()?;
        let scopes = std::iter::once(directory).chain(rundir.clone());
        let helpers = self
            .start_helpers(&registry, needed, devices, &isolation, scopes)
            .map_err(|error| self.failed(&error))?;
        isolation
            .give_up_privileges()
            .map_err(|error| self.failed(&error))?;
        let interrupt = Interrupt::default();
        listen(&interrupt);
        let names = manifest
            .pipelines
            .iter()
            .map(|pipeline| pipeline.name.clone());
        let (summary, gatherer) = (Arc::new(Summary::new(names)), Arc::new(Gatherer::default()));
        let observers: Vec<Arc<dyn Observer>> =
            vec![self.monitor()?, summary.clone(), gatherer.clone()];
        let settings = Settings {
            registry: Arc::new(registry),
            engine: engine(installed).map_err(|error| self.failed(&error))?,
            helpers: Arc::new(helpers),
            observer: Arc::new(Fanout(observers)),
            jobs: self.parallel(),
            stage_timeout: order.stage_timeout.map(Duration::from_secs),
            checkpoints: plan.checkpoints.clone(),
            break_at: order.break_at.clone(),
            devices,
            rundir,
            policy,
            interrupt,
            records,
        };
        Ok(Workshop {
            settings,
            store,
            isolation,
            summary,
            gatherer,
        })
    }

    /// How many pipelines are built at the same time.
    fn parallel(&self) -> usize {
        match (&self.order.break_at, self.jobs) {
            // Shells share one terminal.
            (Some(_), _) => 1,
            (None, Some(jobs)) => jobs,
            (None, None) => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Writes the statements about a build that succeeded.
    fn state(
        &self,
        request: &Request<'_>,
        document: String,
        workshop: &Workshop,
    ) -> Result<(), Exit> {
        let settings = &workshop.settings;
        let names = request.exports.iter().map(|export| export.name.clone());
        let asked = Asked {
            name: request.name.clone(),
            document,
            manifest: request.manifest,
            build_environment: self.build_env.as_deref(),
            record: self.record.as_deref(),
            policy: self.policy.as_deref().zip(settings.policy.as_ref()),
            exports: names.collect(),
            registry: &settings.registry,
        };
        self.statements
            .write(&asked, &workshop.gatherer.findings())
            .map_err(|diagnostic| fail(Exit::Failed, self.order.json, &diagnostic))
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

    /// The manifest, and the SHA-256 of the document.
    fn manifest(&self, registry: &Registry) -> Result<(Manifest, String), Exit> {
        let mut document = document::read(&self.order.manifest, self.style())?;
        let digest = hex::encode(Sha256::digest(&document.text));
        if let Some(file) = &self.build_env {
            document = with_build_environment(document, file, self.style())?;
        }
        let catalogue = catalogue(registry, self.order.libdir.as_deref());
        let manifest = document::manifest(&document, &catalogue, self.style())?;
        Ok((manifest, digest))
    }

    /// No option is taken and then not heeded.
    fn refuse_what_is_not_there(&self, manifest: &Manifest) -> Result<(), Exit> {
        // osbuild does not mind names that the manifest does not have.
        if let Some(name) = self
            .in_vm
            .iter()
            .find(|name| manifest.pipeline(name).is_some())
        {
            let diagnostic = Diagnostic::new(format!(
                "--in-vm {name}: there are no virtual machines here to build a pipeline in"
            ));
            return Err(self.refused(&diagnostic.hint(
                "leave the option out: the stages then run in their sandboxes on this machine",
            )));
        }
        Ok(())
    }

    /// The policy, when it allows all that the run needs.
    fn policy(&self, registry: &Registry, manifest: &Manifest) -> Result<Option<Policy>, Exit> {
        let Some(path) = &self.policy else {
            return Ok(None);
        };
        let file = PolicyFile::read(path, self.style())?;
        let request = PlanRequest {
            registry,
            manifest,
            name: self.order.manifest.display().to_string(),
            exports: &self.order.export,
            policy: Some((&file.name, &file.policy)),
        };
        let plan = make_plan(&request).map_err(|error| self.failed(&error))?;
        match plan.granted() {
            true => Ok(Some(file.policy)),
            false => Err(file.denied(&plan, self.order.json)),
        }
    }

    fn make_store(&self) -> Result<PathBuf, Exit> {
        let store = &self.order.store;
        let cannot_make = |error: std::io::Error| {
            let diagnostic = Diagnostic::new(format!("cannot make {}", store.display()))
                .cause(error.to_string());
            fail(Exit::Failed, self.order.json, &diagnostic)
        };
        std::fs::create_dir_all(store).map_err(cannot_make)?;
        std::fs::canonicalize(store).map_err(|error| self.failed(&error))
    }

    /// The directory for sockets, made where it is missing.
    fn rundir(&self) -> Result<Option<PathBuf>, Exit> {
        let Some(directory) = &self.rundir else {
            return Ok(None);
        };
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::canonicalize(directory))
            .map(Some)
            .map_err(|error| {
                let message = format!("--rundir {}: {error}", directory.display());
                self.refused(&Diagnostic::new(message))
            })
    }

    fn monitor(&self) -> Result<Arc<dyn Observer>, Exit> {
        let order = &self.order;
        let default = match self.manner {
            _ if order.quiet || order.json => Monitor::Null,
            Manner::Own => Monitor::Progress,
            Manner::Osbuild => Monitor::Log,
        };
        let out = monitor::descriptor(order.monitor_fd).map_err(|error| {
            let message = format!("--monitor-fd {}: {error}", order.monitor_fd.unwrap_or(1));
            self.refused(&Diagnostic::new(message))
        })?;
        Ok(monitor::make(
            order.monitor.unwrap_or(default),
            out,
            order.break_at.is_some(),
        ))
    }

    /// Starts all helpers of the run.
    fn start_helpers(
        &self,
        registry: &Registry,
        (manifest, pipelines): (&Manifest, &[usize]),
        devices: Devices,
        isolation: &Isolation,
        directories: impl Iterator<Item = PathBuf>,
    ) -> Result<HelperProcesses, BuildError> {
        let mut interfaces = interfaces_of(registry, manifest, pipelines);
        if isolation.is_private() && !pipelines.is_empty() {
            interfaces.insert(Interface::Tree, "attributes of the tree".into());
        }
        if devices == Devices::None {
            interfaces.remove(&Interface::Loopback);
        }
        if self.order.break_at.is_some() {
            interfaces.insert(Interface::Command, "--break".into());
        }
        if self.statements.account().packages {
            interfaces.insert(Interface::Rpm, "--sbom".into());
        }
        let pipelines = pipelines.iter().map(|index| &manifest.pipelines[*index]);
        let modules: Vec<_> = pipelines
            .flat_map(|pipeline| &pipeline.stages)
            .filter_map(|stage| component_of(registry, stage))
            .collect();
        let documents = modules.iter().map(|module| &module.metadata);
        let mut charter = charter(documents, directories.chain(scopes_of(manifest)));
        if self.order.break_at.is_some() {
            charter.programs.insert(SHELL.to_owned());
        }
        HelperProcesses::start(interfaces, &charter)
    }

    /// Ctrl-C: osbuild says one word, also where a document was asked for.
    fn interrupted(&self, manifest: &Manifest, built: Option<RunOutcome>) -> Exit {
        match (self.manner, built) {
            (Manner::Osbuild, _) => say("\nAborted\n"),
            (Manner::Own, Some(built)) => self.show_failure(manifest, &built),
            (Manner::Own, None) => eprintln!("error: interrupted"),
        }
        Exit::Interrupted
    }
}

fn component_of(registry: &Registry, stage: &Stage) -> Option<Arc<Module>> {
    let kind = match stage.class {
        StageClass::Assembler => Kind::Assembler,
        StageClass::Stage => Kind::Stage,
    };
    registry.get(kind, &stage.module).and_then(Result::ok)
}

/// The helper interfaces that stages, devices and mounts of these pipelines use, each with who asks for it first.
fn interfaces_of(
    registry: &Registry,
    manifest: &Manifest,
    pipelines: &[usize],
) -> BTreeMap<Interface, String> {
    let mut interfaces = BTreeMap::new();
    for position in pipelines {
        let pipeline = &manifest.pipelines[*position];
        for (index, stage) in pipeline.stages.iter().enumerate() {
            let module = component_of(registry, stage);
            let own: Vec<_> = module
                .iter()
                .flat_map(|module| needed_by(&module.request))
                .collect();
            let place = match manifest.version {
                Version::V2 => format!(".pipelines[{position}].stages[{index}]"),
                Version::V1 => format!("pipeline {}", pipeline.name),
            };
            for interface in own.into_iter().chain(needed_by_stage(stage)) {
                interfaces
                    .entry(interface)
                    .or_insert_with(|| format!("{place} ({})", stage.requested_module()));
            }
        }
    }
    interfaces
}

/// Ctrl-C and termination end the run at once.
fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Without a handler the default one ends the process, and the kernel cleans up.
    _ = ctrlc::set_handler(move || interrupt.fire());
}
