//! The process and the store before a run: isolated, with its helpers, and without the privileges that only these need.
use super::{Job, Manner};
use crate::components::engine;
use crate::exit::{Exit, fail};
use crate::monitor::{self, Monitor};
use osbuild_wasm_build::{
    AuthorizedPlan, BuildError, Confined, Devices, Export, INVENTORY, Interrupt, Isolated,
    Prepared, Records, SHELL, Settings, VirtualMachines, WithHelpers,
};
use osbuild_wasm_component::Installed;
use osbuild_wasm_events::Observer;
use osbuild_wasm_files::resolve::{make_directory, path_of};
use osbuild_wasm_protocol::Interface;
use osbuild_wasm_report::{Diagnostic, Fanout, Gatherer, Summary};
use osbuild_wasm_store::Store;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a run works with.
pub(super) struct Opened {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) confined: Confined,
    pub(super) summary: Arc<Summary>,
    pub(super) gatherer: Arc<Gatherer>,
}

impl Job {
    /// Opens the store, starts the helpers and gives up what only these needed.
    pub(super) fn open(
        &self,
        plan: &AuthorizedPlan<'_>,
        exports: &[Export],
        checkpoints: BTreeSet<String>,
        (records, machines): (Option<Arc<Records>>, Option<VirtualMachines>),
    ) -> Result<Opened, Exit> {
        let order = &self.order;
        let directory = self.make_store()?;
        let rundir = self.rundir()?;
        // Owners cannot be told apart any more in a user namespace.
        let installed = Installed::of_program();
        let isolated = Prepared::new(&directory).isolate();
        let isolated = isolated.map_err(|error| self.failed(&error))?;
        let devices = self.devices.choose();
        isolated
            .refuse_impossible(plan, devices, machines.as_ref())
            .and_then(|()| isolated.refuse_exports(exports))
            .map_err(|error| self.failed(&error))?;
        let store = Store::open(&directory).map_err(|error| self.failed(&error))?;
        if let Some(size) = order.cache_max_size {
            store
                .set_limit(size.limit())
                .map_err(|error| self.failed(&error))?;
        }
        let confined = self
            .start_helpers(isolated, plan, (devices, machines.as_ref()), rundir.clone())
            .and_then(WithHelpers::confine)
            .map_err(|error| self.failed(&error))?;
        let interrupt = Interrupt::default();
        listen(&interrupt);
        let pipelines = plan.manifest().pipelines.iter();
        let names = pipelines.map(|pipeline| pipeline.name.clone());
        let (summary, gatherer) = (Arc::new(Summary::new(names)), Arc::new(Gatherer::default()));
        let observers: Vec<Arc<dyn Observer>> =
            vec![self.monitor()?, summary.clone(), gatherer.clone()];
        let settings = Settings {
            engine: engine(installed).map_err(|error| self.failed(&error))?,
            observer: Arc::new(Fanout(observers)),
            jobs: self.parallel(),
            stage_timeout: order.stage_timeout.map(Duration::from_secs),
            checkpoints,
            break_at: order.break_at.clone(),
            devices,
            rundir,
            virtual_machines: machines,
            interrupt,
            records,
        };
        Ok(Opened {
            settings,
            store,
            confined,
            summary,
            gatherer,
        })
    }

    /// Starts the helpers of the plan, and those of our own options.
    fn start_helpers(
        &self,
        isolated: Isolated,
        plan: &AuthorizedPlan<'_>,
        (devices, machines): (Devices, Option<&VirtualMachines>),
        rundir: Option<PathBuf>,
    ) -> Result<WithHelpers, BuildError> {
        let mut helpers = plan.helpers();
        if isolated.is_private() && !plan.document().pipelines.is_empty() {
            helpers.insert(Interface::Tree, "attributes of the tree".into());
        }
        if devices == Devices::None {
            helpers.remove(&Interface::Loopback);
        }
        let mut charter = plan.charter();
        charter.scopes.extend(rundir);
        if let Some(machines) = machines {
            charter.scopes.extend(machines.scopes());
            helpers.insert(Interface::Machine, "--in-vm".into());
        }
        if self.order.break_at.is_some() {
            charter.programs.insert(SHELL.to_owned());
            helpers.insert(Interface::Command, "--break".into());
        }
        if self.statements.account().packages {
            helpers.insert(Interface::Rpm, "--sbom".into());
            charter.programs.insert(INVENTORY.to_owned());
        }
        isolated.start_helpers(helpers, charter)
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

    fn make_store(&self) -> Result<PathBuf, Exit> {
        let store = &self.order.store;
        let cannot_make = |error: std::io::Error| {
            let diagnostic = Diagnostic::new(format!("cannot make {}", store.display()))
                .cause(error.to_string());
            fail(Exit::Failed, self.order.json, &diagnostic)
        };
        make_directory(store)
            .and_then(|directory| path_of(&directory))
            .map_err(cannot_make)
    }

    /// The directory for sockets, made where it is missing.
    fn rundir(&self) -> Result<Option<PathBuf>, Exit> {
        let Some(directory) = &self.rundir else {
            return Ok(None);
        };
        make_directory(directory)
            .and_then(|directory| path_of(&directory))
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
}

/// Ctrl-C and termination end the run at once.
fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Without a handler the default one ends the process, and the kernel cleans up.
    _ = ctrlc::set_handler(move || interrupt.fire());
}
