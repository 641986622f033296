//! One run of one component.
use crate::bindings::report;
use crate::bindings::types::{self, Error, ErrorCode};
use crate::engine::{Compiled, Engine};
use crate::failure::{ComponentError, Stopped};
use crate::limits::MemoryLimit;
use crate::privileged::Helpers;
use crate::quota::StageQuota;
use crate::record::Recorder;
use crate::stdio::{Log, LogSink};
use crate::tree::{Gate, Known, Roots};
use osbuild_wasm_capability::{Access, Grant, Interface, Refusal};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{FsPerms, HostWallClock, I32Exit, WasiCtx, WasiCtxView, WasiView};

/// What ends a run from outside.
#[derive(Clone)]
struct End {
    /// When its time is up, and how long that was.
    deadline: Option<(Instant, Duration)>,
    cancel: Cancel,
    quota: Arc<StageQuota>,
}

/// Handles of one run: open files, streams, and whatever resources its components make for each other.
const MAX_HANDLES: usize = 4096;

/// Bytes of stack of a run's thread: the component's, and behind that the host's for copies of nested directories.
const STACK: usize = 8 << 20;

/// Bytes of a stage's metadata.
const MAX_METADATA: usize = 16 << 20;

/// Bytes that one call may pass to the host.
const MAX_CALL: usize = 128 << 20;

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

    /// Whether that was requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one run needs.
pub struct Run {
    /// Everything it may do.
    pub grant: Grant,
    /// What it may use up, shared with all that works for it.
    pub quota: Arc<StageQuota>,
    /// The arguments document.
    pub arguments: String,
    /// Identifies the stage: seeds its random numbers.
    pub seed: String,
    /// Takes the log.
    pub log: Arc<dyn LogSink>,
    /// Is told what the component does, if that is to be recorded.
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

    /// Notes that it was stopped, if it was: it has then failed, whatever it says itself. Being late for an end that came anyway is none.
    pub fn stop(&mut self, why: Option<Stopped>) {
        let late = matches!(why, Some(Stopped::Time(_) | Stopped::Cancelled));
        if why.is_some() && !(late && self.success()) && self.stopped.is_none() {
            self.stopped = why;
            self.status = self.status.max(1);
        }
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
    pub(crate) trusted: Known,
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
        let invalid = |detail: &str| Error {
            code: ErrorCode::Invalid,
            path: String::new(),
            detail: detail.into(),
        };
        if json.len() > MAX_METADATA {
            return Err(invalid("metadata must not be larger than 16 MiB"));
        }
        self.said(&json)?;
        match serde_json::from_str(&json) {
            Ok(serde_json::Value::Object(_)) => {
                self.metadata = Some(json);
                Ok(())
            }
            _ => Err(invalid("metadata must be a JSON object")),
        }
    }

    fn failure(&mut self, kind: String, message: String, details: String) {
        self.roots.used(Interface::Report);
        let texts = [&kind, &message, &details];
        if texts.into_iter().all(|text| self.said(text).is_ok()) {
            self.failure = Some((kind, message, details));
        }
    }
}

impl State {
    /// What a stage reports counts as log.
    fn said(&self, text: &str) -> Result<(), Error> {
        let taken = self.roots.quota.take_log(text.len() as u64);
        taken.map_err(|stopped| Error {
            code: ErrorCode::Interrupted,
            path: String::new(),
            detail: stopped.to_string(),
        })
    }
}

impl Engine {
    /// Runs a component to its end. `Err` means that it could not be started; whatever it does wrong itself is in the outcome.
    ///
    /// The component has a thread of its own: one that hangs in a call of the kernel (opening a pipe without a writer) cannot
    /// be ended, so once its time is up it is left behind and the outcome says `abandoned`.
    pub fn run(&self, compiled: &Compiled, run: Run) -> Result<Outcome, ComponentError> {
        let time = run.quota.limits().time;
        let end = End {
            deadline: time.map(|time| (Instant::now() + time, time)),
            cancel: run.cancel.clone(),
            quota: run.quota.clone(),
        };
        let (ends, instance, engine) = (end.clone(), compiled.clone(), self.inner().clone());
        let (report, reports) = channel();
        let work = move || {
            // There is no receiver when the run was abandoned.
            _ = report.send(carry_out(&engine, &instance, run, ends));
        };
        std::thread::Builder::new()
            .name("stage".into())
            .stack_size(STACK)
            .spawn(work)
            .map_err(|error| ComponentError::Engine(error.to_string()))?;
        wait(&reports, &end)
    }
}

/// The outcome, or what is known of it when the component does not react to being stopped.
fn wait(
    reports: &Receiver<Result<Outcome, ComponentError>>,
    end: &End,
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
        if let Some(stopped) = end.reason()
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
    end: End,
) -> Result<Outcome, ComponentError> {
    let log = Log::new(run.log.clone(), run.quota.clone());
    let memory = MemoryLimit::new(run.quota.limits().memory, compiled.weight);
    let mut store = Store::new(engine, state(&run, log, memory)?(run.helpers));
    store.limiter(|state| &mut state.memory);
    store.set_max_component_handles(2 * MAX_HANDLES);
    store.set_hostcall_fuel(run.quota.limits().memory.min(MAX_CALL));
    store.set_epoch_deadline(1);
    let ends = end.clone();
    store.epoch_deadline_callback(move |_| match ends.reason() {
        Some(stopped) => Err(wasmtime::Error::new(stopped)),
        None => Ok(UpdateDeadline::Continue(1)),
    });
    let result = call(&mut store, compiled);
    let interrupted = end.reason();
    Ok(conclude(store.into_data(), result, interrupted))
}

fn call(store: &mut Store<State>, compiled: &Compiled) -> wasmtime::Result<Result<(), ()>> {
    if store.data().memory.exceeded {
        return Err(wasmtime::format_err!("its instances alone are too large"));
    }
    let instance = compiled.instance.instantiate(&mut *store)?;
    Command::new(&mut *store, &instance)?
        .wasi_cli_run()
        .call_run(store)
}

impl End {
    /// Why the run has to end now, if it has to; everything that works for the stage then knows.
    fn reason(&self) -> Option<Stopped> {
        let late = || self.deadline.filter(|(at, _)| Instant::now() >= *at);
        match late() {
            _ if self.cancel.is_cancelled() => self.quota.stop(Stopped::Cancelled),
            Some((_, time)) => self.quota.stop(Stopped::Time(time)),
            None => {}
        }
        self.quota.stopped()
    }
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
    } else {
        // A program that was killed because of a limit looks like the stage's own failure, or is one that it does not mind.
        outcome.stop(interrupted);
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
    memory: MemoryLimit,
) -> Result<impl FnOnce(Box<dyn Helpers>) -> State + use<>, ComponentError> {
    let wasi = wasi(run, log.clone())?;
    let gate = Gate::new(
        run.grant.module.clone(),
        run.grant.rights.clone(),
        run.recorder.clone(),
    );
    let roots = Roots::open_all(&run.grant.roots, gate, run.quota.clone())?;
    let interfaces = run.grant.interfaces.clone();
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    Ok(move |helpers| State {
        wasi,
        log,
        table,
        roots,
        interfaces,
        helpers,
        release_failure: None,
        metadata: None,
        failure: None,
        memory,
        trusted: Known::new(),
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
