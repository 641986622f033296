//! The process and the store before a run: isolated, with its helpers, and without the privileges that only these need.
use super::{OutputDialect, RunCommand};
use crate::command_error::{CommandError, Result};
use crate::components::engine;
use crate::interruption::on_interrupt;
use crate::monitor::{self, Monitor, WithoutResults};
use osbuild_wasm_build::{
    AuthorizedPlan, BuildError, Confined, Devices, Export, INVENTORY, Interrupt, Isolated,
    Prepared, Records, SHELL, Settings, VirtualMachines, WithHelpers, add_beside_stages,
};
use osbuild_wasm_component::Installed;
use osbuild_wasm_events::Observer;
use osbuild_wasm_files::resolve::{make_directory, path_of};
use osbuild_wasm_protocol::{Interface, Offer};
use osbuild_wasm_report::{Collector, Diagnostic, Fanout, Summary};
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
    pub(super) collector: Arc<Collector>,
}

impl RunCommand {
    /// Opens the store, starts the helpers and gives up what only these needed.
    pub(super) fn open(
        &self,
        plan: &AuthorizedPlan<'_>,
        exports: &[Export],
        checkpoints: BTreeSet<String>,
        (records, machines): (Option<Arc<Records>>, Option<VirtualMachines>),
    ) -> Result<Opened> {
        let args = &self.args;
        let directory = self.make_store()?;
        let rundir = self.rundir()?;
        // Owners cannot be told apart any more in a user namespace.
        let installed = Installed::of_program();
        let isolated = Prepared::new(&directory).isolate()?;
        let devices = self.devices.choose();
        isolated
            .refuse_impossible(plan, devices, machines.as_ref())
            .and_then(|()| isolated.refuse_exports(exports))?;
        let store = Store::open(&directory)?;
        if let Some(size) = args.cache_max_size {
            store.set_limit(size.limit())?;
        }
        let confined = self
            .start_helpers(isolated, plan, (devices, machines.as_ref()), rundir.clone())
            .and_then(WithHelpers::confine)?;
        let interrupt = Interrupt::default();
        listen(&interrupt);
        let pipelines = plan.manifest().pipelines.iter();
        let names = pipelines.map(|pipeline| pipeline.name.clone());
        let (summary, collector) = (
            Arc::new(Summary::new(names)),
            Arc::new(Collector::default()),
        );
        let mut observers: Vec<Arc<dyn Observer>> =
            vec![self.monitor()?, summary.clone(), collector.clone()];
        if let Some(log) = &self.log {
            let log = log.try_clone()?;
            observers.push(monitor::make(Monitor::Log, log, false));
        }
        let settings = Settings {
            engine: engine(installed)?,
            observer: Arc::new(Fanout(observers)),
            jobs: self.parallel(),
            stage_timeout: args.stage_timeout.map(Duration::from_secs),
            checkpoints,
            break_at: args.break_at.clone(),
            devices,
            rundir,
            virtual_machines: machines,
            interrupt,
            logins: self.logins.clone(),
            records,
        };
        Ok(Opened {
            settings,
            store,
            confined,
            summary,
            collector,
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
        if self.args.break_at.is_some() {
            add_beside_stages(&mut charter, SHELL);
            helpers.insert(Interface::Command, "--break".into());
        }
        if self.statements.report_request().packages {
            helpers.insert(Interface::Rpm, "--sbom".into());
            charter.offers.insert(Offer::of_programs([INVENTORY]));
        }
        isolated.start_helpers(helpers, charter)
    }

    /// How many pipelines are built at the same time.
    fn parallel(&self) -> usize {
        match (&self.args.break_at, self.jobs) {
            // Shells share one terminal.
            (Some(_), _) => 1,
            (None, Some(jobs)) => jobs,
            (None, None) => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    fn make_store(&self) -> Result<PathBuf> {
        let store = &self.args.store;
        let cannot_make = |error: std::io::Error| {
            let diagnostic = Diagnostic::new(format!("cannot make {}", store.display()))
                .cause(error.to_string());
            CommandError::failed(diagnostic)
        };
        make_directory(store)
            .and_then(|directory| path_of(&directory))
            .map_err(cannot_make)
    }

    /// The directory for sockets, made where it is missing.
    fn rundir(&self) -> Result<Option<PathBuf>> {
        let Some(directory) = &self.rundir else {
            return Ok(None);
        };
        make_directory(directory)
            .and_then(|directory| path_of(&directory))
            .map(Some)
            .map_err(|error| {
                let message = format!("--rundir {}: {error}", directory.display());
                CommandError::invalid(Diagnostic::new(message))
            })
    }

    fn monitor(&self) -> Result<Arc<dyn Observer>> {
        let args = &self.args;
        let default = match self.dialect {
            _ if args.quiet || args.json => Monitor::Null,
            OutputDialect::Own => Monitor::Progress,
            OutputDialect::Osbuild => Monitor::Log,
        };
        let out = monitor::descriptor(args.monitor_fd).map_err(|error| {
            let message = format!("--monitor-fd {}: {error}", args.monitor_fd.unwrap_or(1));
            CommandError::invalid(Diagnostic::new(message))
        })?;
        let kind = args.monitor.unwrap_or(default);
        let monitor = monitor::make(kind, out, args.break_at.is_some());
        Ok(match self.moves_exports {
            true => Arc::new(WithoutResults(monitor)),
            false => monitor,
        })
    }
}

/// Ctrl-C and termination end the run at once.
fn listen(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Without a handler the default one ends the process, and the kernel cleans up.
    on_interrupt(move || interrupt.fire());
}
