//! One run of one component.
use crate::bindings::report;
use crate::bindings::types::{self, Error, ErrorCode};
use crate::engine::{Compiled, Engine};
use crate::failure::{ComponentError, Stopped};
use crate::limits::MemoryLimit;
use crate::privileged::Helpers;
use crate::record::Recorder;
use crate::stdio::{Log, LogSink};
use crate::tree::{Gate, Roots};
use osbuild_wasm_capability::{Access, Grant, Interface, Refusal};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, HostWallClock, I32Exit, WasiCtx, WasiCtxView, WasiView};

/// When a run's time is up, and how long that was.
type Deadline = Option<(Instant, Duration)>;

/// How often a running component's limits are looked at from outside.
const POLL: Duration = Duration::from_millis(50);

/// How long a component may take to end after it was stopped.
const GRACE: Duration = Duration::from_secs(3);

/// Asks a run to end at once; may be shared by several.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the run at its next instruction or call.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for code that polls it.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one run needs.
pub struct Run {
    /// Everything it may do.
    pub grant: Grant,
    /// The arguments document.
    pub arguments: String,
    /// Identifies the stage: seeds its random numbers.
    pub seed: String,
    /// Takes the log.
    pub log: Arc<dyn LogSink>,
    /// Hears what the component does, if anybody wants to know.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Carries out privileged interfaces.
    pub helpers: Box<dyn Helpers>,
    /// Ends it early.
    pub cancel: Cancel,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("grant", &self.grant)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// 0 is success.
    pub status: i32,
    /// Why the host stopped it, if it did; `status` is then not 0.
    pub stopped: Option<Stopped>,
    /// It was stopped but did not end: its thread and what it holds stay until the process ends.
    pub abandoned: bool,
    /// Limits of writing that it reached, as messages.
    pub limits: Vec<String>,
    /// Verbs on paths that were refused.
    pub refusals: Vec<Refusal>,
    /// What the stage published as its metadata: the text of a JSON object.
    pub metadata: Option<String>,
    /// What the stage gave as reason of its failure: kind, message, details.
    pub failure: Option<(String, String, String)>,
}

impl Outcome {
    /// Whether the stage did its work.
    pub fn success(&self) -> bool {
        self.status == 0
    }
}

/// What host functions work on.
pub(crate) struct State {
    wasi: WasiCtx,
    pub(crate) log: Log,
    pub(crate) table: ResourceTable,
    pub(crate) roots: Roots,
    pub(crate) interfaces: BTreeSet<Interface>,
    pub(crate) helpers: Box<dyn Helpers>,
    pub(crate) release_failure: Option<String>,
    metadata: Option<String>,
    failure: Option<(String, String, String)>,
    memory: MemoryLimit,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::Host for State {}

impl report::Host for State {
    fn metadata(&mut self, json: String) -> Result<(), Error> {
        self.roots.used(Interface::Report);
        match serde_json::from_str(&json) {
            Ok(serde_json::Value::Object(_)) => {
                self.metadata = Some(json);
                Ok(())
            }
            _ => Err(Error {
                code: ErrorCode::Invalid,
                path: String::new(),
                detail: "metadata must be a JSON object".into(),
            }),
        }
    }

    fn failure(&mut self, kind: String, message: String, details: String) {
        self.roots.used(Interface::Report);
        self.failure = Some((kind, message, details));
    }
}

impl Engine {
    /// Runs a component to its end. `Err` means that it could not be started; whatever it does wrong itself is in the outcome.
    ///
    /// The component has a thread of its own: one that hangs in a call of the kernel (opening a pipe that nobody writes to) cannot
    /// be ended, so once its time is up it is left behind and the outcome says `abandoned`.
    pub fn run(&self, compiled: &Compiled, run: Run) -> Result<Outcome, ComponentError> {
        let deadline = run
            .grant
            .limits
            .time
            .map(|time| (Instant::now() + time, time));
        let (cancel, instance, engine) =
            (run.cancel.clone(), compiled.clone(), self.inner().clone());
        let (report, reports) = channel();
        let work = move || {
            // Nobody listens any more when the run was abandoned.
            _ = report.send(carry_out(&engine, &instance, run, deadline));
        };
        std::thread::Builder::new()
            .name("stage".into())
            .spawn(work)
            .map_err(|error| ComponentError::Engine(error.to_string()))?;
        wait(&reports, &cancel, deadline)
    }
}

/// The outcome, or what is known of it when the component does not react to being stopped.
fn wait(
    reports: &Receiver<Result<Outcome, ComponentError>>,
    cancel: &Cancel,
    deadline: Deadline,
) -> Result<Outcome, ComponentError> {
    let mut stopped_at = None;
    loop {
        match reports.recv_timeout(POLL) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => {
                let stopped = Some(Stopped::Trap("its thread ended without a result".into()));
                return Ok(Outcome {
                    status: 1,
                    stopped,
                    ..Outcome::default()
                });
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(stopped) = stop_now(cancel, deadline)
            && stopped_at.get_or_insert_with(Instant::now).elapsed() >= GRACE
        {
            let stopped = Some(stopped);
            return Ok(Outcome {
                status: 1,
                stopped,
                abandoned: true,
                ..Outcome::default()
            });
        }
    }
}

fn carry_out(
    engine: &wasmtime::Engine,
    compiled: &Compiled,
    run: Run,
    deadline: Deadline,
) -> Result<Outcome, ComponentError> {
    let log = Log::new(run.log.clone(), run.grant.limits.output);
    let stopped_by_log = log.stopped.clone();
    let mut store = Store::new(engine, state(&run, log)?(run.helpers));
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    let cancel = run.cancel.clone();
    store.epoch_deadline_callback(move |_| match stop_now(&cancel, deadline) {
        Some(stopped) => Err(wasmtime::Error::new(stopped)),
        None => Ok(UpdateDeadline::Continue(1)),
    });
    let result = call(&mut store, compiled);
    let stopped_by_log = stopped_by_log
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let interrupted = stopped_by_log.or_else(|| stop_now(&run.cancel, deadline));
    Ok(conclude(store.into_data(), result, interrupted))
}

fn call(store: &mut Store<State>, compiled: &Compiled) -> wasmtime::Result<Result<(), ()>> {
    let instance = compiled.instance.instantiate(&mut *store)?;
    Command::new(&mut *store, &instance)?
        .wasi_cli_run()
        .call_run(store)
}

fn stop_now(cancel: &Cancel, deadline: Deadline) -> Option<Stopped> {
    if cancel.is_cancelled() {
        return Some(Stopped::Cancelled);
    }
    deadline
        .filter(|(at, _)| Instant::now() >= *at)
        .map(|(_, time)| Stopped::Time(time))
}

fn conclude(
    state: State,
    result: wasmtime::Result<Result<(), ()>>,
    interrupted: Option<Stopped>,
) -> Outcome {
    let mut outcome = Outcome {
        limits: state.roots.quota.reached(),
        refusals: state.roots.refused(),
        metadata: state.metadata,
        failure: state.failure,
        ..Outcome::default()
    };
    let trap = match result {
        Ok(Ok(())) => None,
        Ok(Err(())) => {
            outcome.status = 1;
            None
        }
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => {
                outcome.status = exit.0;
                None
            }
            None => Some(error),
        },
    };
    if let Some(error) = trap {
        outcome.status = 1;
        let stopped = error.downcast_ref::<Stopped>().cloned().or(interrupted);
        outcome.stopped = Some(stopped.unwrap_or_else(|| match state.memory.exceeded {
            true => Stopped::Memory(state.memory.limit()),
            false => Stopped::Trap(trap_text(&error)),
        }));
    } else if outcome.status != 0 {
        // A program that was killed because of the limit looks like the stage's own failure.
        outcome.stopped = interrupted;
    }
    if let Some(failure) = state.release_failure.filter(|_| outcome.status == 0) {
        outcome.status = 1;
        outcome.failure = Some(("release".into(), failure, String::new()));
    }
    outcome
}

/// The reason without wasm frames, in one line.
fn trap_text(error: &wasmtime::Error) -> String {
    error
        .root_cause()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Everything but the helpers, which the caller owns.
fn state(
    run: &Run,
    log: Log,
) -> Result<impl FnOnce(Box<dyn Helpers>) -> State + use<>, ComponentError> {
    let wasi = wasi(run, log.clone())?;
    let gate = Gate::new(
        run.grant.module.clone(),
        run.grant.rights.clone(),
        run.recorder.clone(),
    );
    let roots = Roots::open_all(&run.grant.roots, gate, run.grant.limits)?;
    let interfaces = run.grant.interfaces.clone();
    let memory = MemoryLimit::new(run.grant.limits.memory);
    Ok(move |helpers| State {
        wasi,
        log,
        table: ResourceTable::new(),
        roots,
        interfaces,
        helpers,
        release_failure: None,
        metadata: None,
        failure: None,
        memory,
    })
}

fn wasi(run: &Run, log: Log) -> Result<WasiCtx, ComponentError> {
    let mut wasi = WasiCtx::builder();
    wasi.stdin(MemoryInputPipe::new(run.arguments.clone()))
        .stdout(log.clone())
        .stderr(log);
    // Sockets exist for languages whose standard library imports them; every call is refused.
    wasi.allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    wasi.allow_blocking_current_thread(true);
    if !run.grant.entropy {
        let seed: [u8; 32] = Sha256::digest(run.seed.as_bytes()).into();
        wasi.secure_random(StdRng::from_seed(seed))
            .insecure_random(StdRng::from_seed(seed))
            .insecure_random_seed(0);
    }
    if let Some(epoch) = run.grant.source_epoch {
        wasi.wall_clock(FixedClock(Duration::from_secs(
            u64::try_from(epoch).unwrap_or(0),
        )));
    }
    let directories = run.grant.roots.iter().filter(|root| root.host.is_dir());
    for root in directories.filter(|_| run.grant.wasi_filesystem) {
        let permissions = if root.access == Access::Write {
            FsPerms::ReadWrite
        } else {
            FsPerms::ReadOnly
        };
        let failed = |error: wasmtime::Error| ComponentError::Root {
            path: root.host.clone(),
            cause: std::io::Error::other(error.to_string()),
        };
        wasi.preopened_dir(&root.host, &root.contract, permissions)
            .map_err(failed)?;
    }
    Ok(wasi.build())
}

/// The source epoch, standing still.
struct FixedClock(Duration);

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}
