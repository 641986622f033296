//! Compiling, in a process of its own: the kernel bounds what a component may cost before it runs, and nothing is left when it is too much.
//!
//! The program starts itself with [`Compiler::WORD`] and the limits as arguments, writes the component to its standard input and reads the
//! compiled code from its standard output.
use crate::engine::configuration;
use crate::failure::ComponentError;
use crate::threads;
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// This very program, whatever its file is called by now.
const PROGRAM: &str = "/proc/self/exe";

/// Threads that compile at once: each has a stack and memory of its own.
const THREADS: usize = 8;

/// What tells the compiler how many these are.
const THREADS_VARIABLE: &str = "RAYON_NUM_THREADS";

/// Seconds of processor time that compiling has however little time the stage has.
const LEAST: u64 = 2;

/// Bytes of a message that are read.
const MESSAGE: u64 = 4 << 10;

/// Compiles one component.
#[derive(Debug, Clone, Copy)]
pub struct Compiler {
    /// Bytes of memory.
    memory: u64,
    /// Seconds of processor time of all its threads.
    seconds: u64,
    /// The stage's time is what bounds them.
    by_time: bool,
}

impl Compiler {
    /// First argument of the program when it is to compile: what follows is for [`Compiler::serve`].
    pub const WORD: &str = "compile-component";

    /// What a component with so many bytes of code, of so many bytes in all, usually takes, several times over; no more time than the stage
    /// has.
    pub(crate) fn of(code: usize, size: usize, time: Option<Duration>) -> Self {
        let (code, size) = (code as u64, size as u64);
        let usual = 4 + (code >> 18);
        let allowed = time.map_or(u64::MAX, |time| time.as_secs().max(LEAST));
        Self {
            memory: (128 << 20) + code.saturating_mul(64) + size.saturating_mul(4),
            seconds: usual.min(allowed),
            by_time: allowed < usual,
        }
    }

    /// Compiles a component in another process. Errors: it is no component, or takes too much.
    pub(crate) fn compile(self, name: &str, component: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let failed = |error: io::Error| ComponentError::Engine(format!("compiler: {error}"));
        let mut child = self.start().map_err(failed)?;
        let mut code = Vec::new();
        let exchanged = exchange(&mut child, component, &mut code, self.memory);
        let mut message = Vec::new();
        if exchanged.is_ok()
            && let Some(errors) = child.stderr.take()
        {
            errors
                .take(MESSAGE)
                .read_to_end(&mut message)
                .map_err(failed)?;
        } else {
            child.kill().map_err(failed)?;
        }
        let status = child.wait().map_err(failed)?;
        exchanged.map_err(failed)?;
        if status.success() {
            return Ok(code);
        }
        Err(self.failure(name, status, &String::from_utf8_lossy(&message)))
    }

    fn start(self) -> io::Result<Child> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Command::new(PROGRAM)
            .arg(Self::WORD)
            .args([self.memory.to_string(), self.seconds.to_string()])
            .env_clear()
            .env(THREADS_VARIABLE, threads.min(THREADS).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn failure(self, name: &str, status: ExitStatus, message: &str) -> ComponentError {
        let name = name.to_owned();
        let memory = || format!("it takes more than {} bytes of memory", self.memory);
        let signal = status.signal().and_then(Signal::from_named_raw);
        let cause = match signal {
            Some(Signal::XCPU | Signal::KILL) => {
                let hint = match self.by_time {
                    true => ", the time limit of the stage",
                    false => "",
                };
                format!(
                    "it takes more than {} s of processor time{hint}",
                    self.seconds
                )
            }
            Some(Signal::ABORT | Signal::SEGV) => memory(),
            // A terminal sends these to all processes of a run.
            Some(Signal::INT | Signal::TERM | Signal::HUP) => {
                return ComponentError::Interrupted { name };
            }
            Some(signal) => format!("the compiler was ended by signal {}", signal.as_raw()),
            // What is mapped instead of allocated fails with this.
            None if message.contains("Cannot allocate memory") => memory(),
            None => {
                let cause = message.trim().to_owned();
                return ComponentError::Link { name, cause };
            }
        };
        ComponentError::Costly { name, cause }
    }

    /// The other process: reads a component, writes its compiled code. `arguments` are those behind [`Compiler::WORD`]. Errors: one line
    /// for people.
    pub fn serve(mut arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
        let mut number = || arguments.next()?.to_str()?.parse().ok();
        let (Some(memory), Some(seconds)) = (number(), number()) else {
            return Err("this is for osbuild-wasm itself: MEMORY and SECONDS are missing".into());
        };
        confine(memory, seconds)
            .and_then(|()| translate())
            .map_err(|error| first_line(&error.to_string()))
    }
}

/// Keeps this process within its limits, and lets it end with the one that started it.
fn confine(memory: u64, seconds: u64) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    for (resource, limit) in [
        (Resource::Data, memory),
        (Resource::Cpu, seconds),
        (Resource::Core, 0),
    ] {
        // No more than this process may have, which only root can raise.
        let own = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(limit.min(own));
        let both = Rlimit {
            current: limit,
            maximum: limit,
        };
        setrlimit(resource, both)?;
    }
    Ok(())
}

/// Hands the component over and takes the code, of at most so many bytes. A compiler that ended early is no error: its status says why.
fn exchange(child: &mut Child, component: &[u8], code: &mut Vec<u8>, most: u64) -> io::Result<()> {
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(component) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    match child.stdout.take() {
        Some(output) => output.take(most).read_to_end(code).map(drop),
        None => Ok(()),
    }
}

fn translate() -> io::Result<()> {
    let threads = std::env::var(THREADS_VARIABLE).map(|number| number.parse());
    // The compiler takes them for granted.
    threads::check(threads.map_or(1, |number| number.unwrap_or(1)))?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component)?;
    let engine = configuration().map_err(io::Error::other)?;
    let engine = wasmtime::Engine::new(&engine).map_err(io::Error::other)?;
    let code = engine.precompile_component(&component);
    let code = code.map_err(|error| io::Error::other(format!("{error:#}")))?;
    io::stdout().lock().write_all(&code)
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(1000).collect()
}
