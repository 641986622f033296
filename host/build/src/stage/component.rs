//! One component in its sandbox, with the helpers that carry out its privileged calls.
use crate::attached::Attached;
use crate::charter::grant_of;
use crate::failure::{BuildError, Result};
use crate::helper_processes::HelperProcesses;
use crate::helpers::StageHelpers;
use crate::interrupt::Cancellations;
use crate::log::StageLog;
use crate::plan::StagePlan;
use crate::proxy::Proxy;
use crate::reads::Reads;
use crate::record::{Before, Journal, RecordedHelpers};
use crate::run::Settings;
use crate::sandbox::{Once, Sandbox};
use crate::stage::bounds::Bounds;
use crate::without_devices::Devices;
use osbuild_wasm_capability::{Grant, Interface};
use osbuild_wasm_component::{Compiled, Outcome, Run};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::Granted;
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A component with what it works on.
pub(crate) struct ComponentRun<'a> {
    /// Which one, and what it gets.
    pub(crate) plan: StagePlan<'a>,
    /// What it may use up.
    pub(crate) bounds: Bounds,
    /// The arguments document.
    pub(crate) arguments: String,
    /// Seeds its random numbers.
    pub(crate) seed: String,
    pub(crate) helpers: Arc<HelperProcesses>,
    /// Notes what it does.
    pub(crate) journal: Option<Arc<Journal>>,
}

/// Runs a component in its sandbox, with privileged calls carried out by helpers.
pub(crate) fn run_component(
    settings: &Settings,
    component: ComponentRun<'_>,
    sandbox: &Sandbox,
    log: &Arc<StageLog>,
    pipe: OwnedFd,
) -> Result<Outcome> {
    let plan = component.plan;
    // The plan decides; here a stage that it denies still ends.
    if let Some(denial) = plan.decision.denials.first() {
        let reason = format!("is denied {}: {}", denial.capability, denial.reason);
        return Err(BuildError::manifest(&plan.module.metadata.name, reason));
    }
    let reads = Reads::open(&sandbox.build_root, &plan.decision.reads)?;
    let Bounds {
        quota,
        cancellations,
    } = component.bounds;
    let time = quota.limits().time;
    let compiled = settings.engine.prepare(plan.module, time)?;
    let proxy = plan
        .module
        .metadata
        .network
        .then(|| socket(settings, sandbox));
    let _proxy = proxy
        .as_deref()
        .map(|socket| Proxy::start(socket, &plan.decision.hosts))
        .transpose()?;
    let helpers = StageHelpers {
        processes: component.helpers,
        granted: helper_grant(plan, sandbox, proxy)?,
        log: pipe,
        cancellations: cancellations.clone(),
        parts: sandbox.parts.clone(),
        sectors: sandbox.sectors.clone(),
        file_systems: sandbox.file_systems.clone(),
        attached: attached(settings, sandbox),
        journal: component.journal.clone(),
        sessions: BTreeMap::new(),
    };
    let grant = grant(plan, sandbox, &reads)?;
    let _watch = settings.interrupt.watch(cancellations.clone());
    let _timer = time
        .map(|time| Timer::start(time, cancellations))
        .transpose()?;
    let run = Run {
        grant,
        quota,
        arguments: component.arguments,
        seed: component.seed,
        log: log.clone(),
        recorder: None,
        helpers: Box::new(helpers),
        cancel: settings.interrupt.cancel.clone(),
    };
    match component.journal {
        None => Ok(settings.engine.run(&compiled, run)?),
        Some(journal) => {
            journal.granted(plan, &run.grant);
            recorded(settings, &compiled, run, &journal, sandbox)
        }
    }
}

/// For what the component attaches itself where there are no loop devices.
fn attached(settings: &Settings, sandbox: &Sandbox) -> Option<Attached> {
    let of_files = settings.devices == Devices::None;
    let file_systems = sandbox.file_systems.as_ref().filter(|_| of_files)?;
    Some(Attached::new(file_systems.clone()))
}

/// What a component may do.
fn grant(plan: StagePlan<'_>, sandbox: &Sandbox, reads: &Reads) -> Result<Grant> {
    let (metadata, decision) = (&plan.module.metadata, plan.decision);
    let interfaces = decision.interfaces.iter().copied();
    Ok(Grant {
        module: metadata.name.clone(),
        roots: sandbox.roots()?.into_iter().chain(reads.roots()).collect(),
        rights: plan.rights.clone(),
        interfaces: interfaces.chain([Interface::Types]).collect(),
        wasi_filesystem: decision.wasi_filesystem,
        source_epoch: sandbox.source_epoch,
        entropy: metadata.entropy,
    })
}

/// What its helpers and their programs may do.
fn helper_grant(plan: StagePlan<'_>, sandbox: &Sandbox, proxy: Option<PathBuf>) -> Result<Granted> {
    let own = grant_of(plan);
    let mut granted = sandbox.helper_grant()?;
    let network = match proxy {
        Some(socket) => Some(protocol::Proxy {
            socket: granted.hold(Once::new(socket).open()?),
        }),
        None => None,
    };
    granted.grant = protocol::Grant {
        programs: own.programs,
        capabilities: own.capabilities,
        privileged: own.privileged,
        limits: own.limits,
        environment: own.environment,
        places: own.places,
        network,
        ..granted.grant
    };
    Ok(granted)
}

/// Runs a component and notes what it does.
fn recorded(
    settings: &Settings,
    compiled: &Compiled,
    mut run: Run,
    journal: &Arc<Journal>,
    sandbox: &Sandbox,
) -> Result<Outcome> {
    let grant = run.grant.clone();
    run.recorder = Some(journal.clone());
    run.helpers = Box::new(RecordedHelpers {
        helpers: run.helpers,
        journal: journal.clone(),
        mounts: sandbox.scratch.join("mounts"),
        own: BTreeMap::new(),
    });
    let before = Before::look(&grant, sandbox);
    let outcome = settings.engine.run(compiled, run)?;
    journal.ended(&outcome, &grant, &before);
    Ok(outcome)
}

/// Where the stage's proxy listens.
fn socket(settings: &Settings, sandbox: &Sandbox) -> PathBuf {
    match &settings.rundir {
        None => sandbox.scratch.join("proxy"),
        Some(directory) => {
            let stage = sandbox.scratch.file_name().unwrap_or_default();
            directory.join(format!(
                "proxy-{}-{}",
                std::process::id(),
                stage.to_string_lossy()
            ))
        }
    }
}

/// Cuts off a stage's tools when its time is up; the component itself is stopped by the engine.
struct Timer {
    _done: Sender<()>,
}

impl Timer {
    fn start(time: Duration, cancellations: Cancellations) -> Result<Self> {
        let (done, ended) = channel::<()>();
        let wait = move || {
            if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                cancellations.fire();
            }
        };
        let started = std::thread::Builder::new().name("time limit".into());
        started.spawn(wait).map_err(BuildError::io("a thread"))?;
        Ok(Self { _done: done })
    }
}
