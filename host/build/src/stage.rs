//! One stage: its sandbox is prepared, its component run, and everything released again.
use crate::failure::{BuildError, Result};
use crate::file_systems::FileSystems;
use crate::held::{Held, Helpers};
use crate::helpers::{Cuts, HelperProcesses, StageHelpers};
use crate::inputs::Origins;
use crate::key::kind_of;
use crate::log::StageLog;
use crate::proxy::Proxy;
use crate::record::{Journal, Moment, Noted};
use crate::run::Settings;
use crate::sandbox::{MOUNTS, Sandbox, TREE};
use crate::trees::Trees;
use crate::{arguments, devices, inputs, mounts, plan, shell};
use osbuild_wasm_capability::policy::Decision;
use osbuild_wasm_capability::{Access, Grant, Interface as Named, Limits, Refusal, Rights, Root};
use osbuild_wasm_component::{Compiled, Module, Outcome, Run, Stopped};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Pipeline, Stage};
use osbuild_wasm_manifest::run::{Event, StageError, StageOutcome};
use osbuild_wasm_store::Store;
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Runs one stage of a pipeline on `tree`, whose images have `file_systems`. Whatever goes wrong is in the outcome.
pub(crate) fn run(
    settings: &Settings,
    store: &Store,
    trees: &Trees,
    pipeline: &Pipeline,
    stage: &Stage,
    place: (&Path, &Arc<FileSystems>),
) -> StageOutcome {
    let started = Instant::now();
    let (name, module, id) = (
        pipeline.name.clone(),
        stage.requested_module().to_owned(),
        stage.id.clone(),
    );
    let options = stage.requested_options().clone();
    settings.observer.event(&Event::StageStarted {
        pipeline: name.clone(),
        module: module.clone(),
        id: id.clone(),
        options,
    });
    let log = StageLog::new(&name, &module, &id, settings.observer.clone());
    let journal = settings.records.as_ref().map(Journal::begin);
    let site = (settings, store, trees);
    let ended = carry_out(site, pipeline, stage, place, &log, journal.as_ref());
    let advice = policy_advice(settings, stage, &ended);
    let mut outcome = outcome(
        ended,
        StageOutcome {
            pipeline: name,
            module,
            id,
            success: false,
            output: log.finish(),
            error: None,
            metadata: None,
            duration: started.elapsed(),
        },
    );
    if !outcome.success && is_full(store) {
        add_hint(
            &mut outcome,
            &format!(
                "the file system of the store {} is full: free some space, or use another --store",
                store.path().display()
            ),
        );
    }
    if let Some(advice) = advice {
        add_hint(&mut outcome, &advice);
    }
    if let Some(journal) = journal {
        journal.finish(&outcome);
    }
    settings
        .observer
        .event(&Event::StageFinished(outcome.clone()));
    outcome
}

/// Less than this is left on a file system that is full for our purposes.
const SPARE: u64 = 1 << 20;

/// Tools name a full disk in many ways, or not at all.
fn is_full(store: &Store) -> bool {
    rustix::fs::statvfs(store.path()).is_ok_and(|space| {
        space.f_bavail.saturating_mul(space.f_frsize) < SPARE
            || (space.f_files > 0 && space.f_favail == 0)
    })
}

/// The lines that would let the policy allow what it refused to a stage that failed.
fn policy_advice(settings: &Settings, stage: &Stage, ended: &Result<Outcome>) -> Option<String> {
    let ended = ended.as_ref().ok().filter(|ended| !ended.success())?;
    let missing: Vec<_> = ended.refusals.iter().filter_map(Refusal::missing).collect();
    let policy = settings.policy.as_ref().filter(|_| !missing.is_empty())?;
    let lines = policy.remedy_of_paths(&stage.module, &missing)?;
    // The blanks keep the lines together; TOML does not mind them.
    let lines = lines.lines().map(|line| format!("\n    {line}"));
    Some(format!(
        "to allow it, append to the policy:{}",
        lines.collect::<String>()
    ))
}

fn add_hint(outcome: &mut StageOutcome, hint: &str) {
    let message = format!("{} failed", outcome.module);
    let error = outcome.error.get_or_insert_with(|| StageError {
        kind: "no-space".into(),
        message,
        details: None,
    });
    let details = error.details.get_or_insert_default();
    if !details.is_empty() && !details.ends_with('\n') {
        details.push('\n');
    }
    details.push_str("hint: ");
    details.push_str(hint);
}

fn outcome(ended: Result<Outcome>, mut outcome: StageOutcome) -> StageOutcome {
    match ended {
        Ok(ended) => {
            outcome.success = ended.success();
            outcome.error = error_of(&ended);
            outcome.metadata = ended
                .metadata
                .and_then(|text| serde_json::from_str(&text).ok())
                .map(|json: serde_json::Value| json.into());
        }
        Err(error) => {
            let kind = if matches!(error, BuildError::Interrupted) {
                "interrupted"
            } else {
                "host"
            };
            outcome.error = Some(StageError {
                kind: kind.into(),
                message: error.to_string(),
                details: None,
            });
        }
    }
    outcome
}

fn error_of(ended: &Outcome) -> Option<StageError> {
    if let Some(stopped) = &ended.stopped {
        let kind = match stopped {
            Stopped::Time(_) => "timeout",
            Stopped::Cancelled => "interrupted",
            Stopped::Output(_) | Stopped::Memory(_) => "limit",
            Stopped::Trap(_) => "trap",
        };
        return Some(StageError {
            kind: kind.into(),
            message: stopped.to_string(),
            details: None,
        });
    }
    let (kind, message, details) = ended.failure.clone().filter(|_| !ended.success())?;
    Some(StageError {
        kind,
        message,
        details: Some(details).filter(|details| !details.is_empty()),
    })
}

fn carry_out(
    (settings, store, trees): (&Settings, &Store, &Trees),
    pipeline: &Pipeline,
    stage: &Stage,
    (tree, file_systems): (&Path, &Arc<FileSystems>),
    log: &Arc<StageLog>,
    journal: Option<&Arc<Journal>>,
) -> Result<Outcome> {
    let module = settings.component(kind_of(stage), &stage.module)?;
    let scratch = store.scratch("stage")?;
    let mut sandbox = Sandbox {
        scratch: scratch.path().to_owned(),
        ..Sandbox::default()
    };
    sandbox.build_root = trees.build_root(pipeline)?;
    sandbox.runner = Some(pipeline.runner.exec.clone());
    sandbox.source_epoch = pipeline.source_epoch;
    sandbox.file_systems = Some(file_systems.clone());
    sandbox.runner_cache = Some(trees.runner_cache(pipeline));
    sandbox.grant(TREE, tree, Access::Write);
    let (pipe, pump) = log.pipe()?;
    let held = prepare(settings, store, trees, stage, &mut sandbox, &pipe)?;
    let arguments = arguments::document(&sandbox, &stage.options, &stage.id, pipeline.source_epoch);
    if shell::wanted(settings, stage) {
        shell::run(settings, pipeline, stage, &module, &sandbox, &arguments)?;
    }
    let job = Job {
        module: &module,
        options: &stage.options,
        arguments,
        seed: stage.id.clone(),
        source_epoch: pipeline.source_epoch,
        time: settings.stage_timeout,
        decision: match &settings.policy {
            Some(policy) => plan::decide(stage, &module, policy)?,
            None => plan::as_asked(&module),
        },
        helpers: settings.helpers.clone(),
        journal: journal.cloned(),
    };
    let ended = run_component(settings, job, &sandbox, log, pipe);
    let released = held.release(file_systems);
    let ended = ended?;
    if ended.abandoned {
        // The component still holds its end of the pipe.
        return Ok(ended);
    }
    // The helpers hold the other ends of the pipe until their sessions are gone.
    _ = pump.join();
    if ended.success() {
        released?
    }
    scratch.close()?;
    Ok(ended)
}

/// Opens devices, maps inputs and makes mounts, in osbuild's order.
fn prepare(
    settings: &Settings,
    store: &Store,
    trees: &Trees,
    stage: &Stage,
    sandbox: &mut Sandbox,
    pipe: &OwnedFd,
) -> Result<Held> {
    let helpers = Helpers {
        settings,
        log: pipe,
    };
    let origins = Origins {
        store,
        trees,
        helpers,
    };
    for input in &stage.inputs {
        inputs::map(input, origins, sandbox)?;
    }
    let mut held = Held::default();
    for device in &stage.devices {
        devices::open(stage, device, helpers, &mut held, sandbox)?;
    }
    if !stage.mounts.is_empty() || settings.mounts_itself(stage) {
        let directory = sandbox.scratch.join("mounts");
        std::fs::create_dir_all(&directory).map_err(BuildError::io(&directory))?;
        sandbox.grant(MOUNTS, &directory, Access::Write);
    }
    for mount in &stage.mounts {
        mounts::mount(mount, helpers, &mut held, sandbox)?;
    }
    Ok(held)
}

/// A component with what it works on.
pub(crate) struct Job<'a> {
    pub(crate) module: &'a Module,
    /// Name the hosts that its programs may reach, if any.
    pub(crate) options: &'a Value,
    pub(crate) arguments: String,
    pub(crate) seed: String,
    pub(crate) source_epoch: Option<i64>,
    pub(crate) time: Option<Duration>,
    /// What it gets.
    pub(crate) decision: Decision,
    pub(crate) helpers: Arc<HelperProcesses>,
    /// Notes what it does.
    pub(crate) journal: Option<Arc<Journal>>,
}

/// Runs a component in its sandbox, with privileged calls carried out by helpers.
pub(crate) fn run_component(
    settings: &Settings,
    job: Job<'_>,
    sandbox: &Sandbox,
    log: &Arc<StageLog>,
    pipe: OwnedFd,
) -> Result<Outcome> {
    let Job {
        module,
        options,
        arguments,
        seed,
        source_epoch,
        time,
        decision,
        helpers,
        journal,
    } = job;
    let mut limits = Limits::from(decision.limits);
    limits.time = limits.time.into_iter().chain(time).min();
    let rights = decision
        .narrow(rights_of(module, options)?)
        .map_err(|error| BuildError::manifest("rights of the policy", error.to_string()))?;
    let compiled = settings.engine.prepare(module)?;
    let metadata = &module.metadata;
    let mut helper_grant = sandbox.helper_grant();
    helper_grant.programs.clone_from(&decision.programs);
    helper_grant
        .capabilities
        .clone_from(&decision.linux_capabilities);
    helper_grant
        .privileged
        .clone_from(&decision.privileged_programs);
    helper_grant.environment.clone_from(&metadata.environment);
    helper_grant.source_epoch = source_epoch;
    let proxy = metadata
        .network
        .then(|| Proxy::start(&socket(settings, sandbox), options))
        .transpose()?;
    helper_grant.network = proxy.as_ref().map(|_| osbuild_wasm_protocol::Proxy {
        socket: socket(settings, sandbox),
    });
    let cuts = Cuts::default();
    let helpers = StageHelpers {
        processes: helpers,
        grant: helper_grant,
        log: pipe,
        cuts: cuts.clone(),
        parts: sandbox.parts.clone(),
        file_systems: sandbox.file_systems.clone(),
        sessions: BTreeMap::new(),
    };
    let interfaces = decision.interfaces.iter().copied();
    let grant = Grant {
        module: metadata.name.clone(),
        roots: roots_of(module, sandbox),
        rights,
        interfaces: interfaces.chain([Named::Types]).collect(),
        wasi_filesystem: decision.wasi_filesystem,
        limits,
        source_epoch,
        entropy: metadata.entropy,
    };
    let _watch = settings.interrupt.watch(cuts.clone());
    let _timer = limits.time.map(|time| Timer::start(time, cuts));
    let run = Run {
        grant,
        arguments,
        seed,
        log: log.clone(),
        recorder: None,
        helpers: Box::new(helpers),
        cancel: settings.interrupt.cancel.clone(),
    };
    match journal {
        None => Ok(settings.engine.run(&compiled, run)?),
        Some(journal) => {
            journal.granted(module, &run.grant, &decision);
            recorded(settings, &compiled, run, &journal, sandbox)
        }
    }
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
    run.helpers = Box::new(Noted {
        helpers: run.helpers,
        journal: journal.clone(),
    });
    // What programs write is found by its time, which must not be that of the stage before.
    let began = match grant.interfaces.iter().any(|named| named.needs_helper()) {
        true => Moment::next(&sandbox.scratch),
        false => Moment::last_change(&sandbox.scratch),
    };
    let outcome = settings.engine.run(compiled, run)?;
    journal.ended(&outcome, &grant, began);
    Ok(outcome)
}

/// The directories of the sandbox, and the parts of the build root that the module's document names.
fn roots_of(module: &Module, sandbox: &Sandbox) -> Vec<Root> {
    let read = |path: &String| Root {
        contract: path.clone(),
        host: sandbox.in_build_root(path),
        access: Access::Read,
    };
    let reads = module.metadata.reads.iter().map(read);
    let there = reads.filter(|root| root.host.exists());
    sandbox.roots.iter().cloned().chain(there).collect()
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

/// What the module's document narrows the stage to, with the stage's options filled in.
fn rights_of(module: &Module, options: &Value) -> Result<Rights> {
    let everything = Rights::everything();
    match &module.metadata.rights {
        None => Ok(everything),
        Some(rights) => everything
            .narrowed(rights, &options.into())
            .map_err(|error| {
                let place = format!("module {}: rights", module.metadata.name);
                BuildError::manifest(place, error.to_string())
            }),
    }
}

/// Cuts off a stage's tools when its time is up; the component itself is stopped by the engine.
struct Timer {
    _done: Sender<()>,
}

impl Timer {
    fn start(time: Duration, cuts: Cuts) -> Self {
        let (done, ended) = channel::<()>();
        std::thread::spawn(move || {
            if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                cuts.fire();
            }
        });
        Self { _done: done }
    }
}
