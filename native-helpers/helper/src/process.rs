//! Starting bubblewrap, waiting for it, and killing it when the session is cancelled.

use std::ffi::OsString;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use osbuild_wasm_protocol::{Connection, ErrorCode, Failure, MAX_BLOB};
use osbuild_wasm_sys::{namespace, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::failure::About;
use crate::hint;

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; 128 + N when signal N ended it.
    pub status: i32,
    /// What went into the capture pipe.
    pub output: Vec<u8>,
}

/// Standard streams of a program.
#[derive(Debug)]
pub struct Streams {
    pub input: Stdio,
    pub output: Stdio,
    pub errors: Stdio,
    /// The reading end of a pipe that `output` or `errors` write to.
    pub capture: Option<PipeReader>,
    /// They are a terminal that is to control what runs.
    pub terminal: bool,
}

/// Path of a tool of this machine that helpers themselves run; never looked up by the caller's PATH.
pub fn host_tool(name: &str) -> Result<PathBuf, Failure> {
    let places =
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|directory| Path::new(directory).join(name));
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| hint::missing_tool(name, "this machine"))
}

/// Runs `bwrap ARGUMENTS` and waits for the end of all that it started. `filters` are seccomp programs for what it starts.
///
/// bubblewrap ties its inner process to the outer one only after it has set up the sandbox; killed before, it would leave a sandbox
/// that nobody watches. Therefore the outer one is the first process of a namespace of its own (which tools, in another one inside,
/// do not see): with it the kernel ends everything, and it cannot be waited for before everything has ended.
pub fn run_sandbox(
    arguments: Vec<OsString>,
    filters: Vec<OwnedFd>,
    streams: Streams,
    session: &Connection,
) -> Result<Finished, Failure> {
    let run = || {
        namespace::private_processes().about("bwrap", "make a process namespace")?;
        Sandboxed::start(arguments, filters, streams)?.wait(session)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sandbox".into());
        let thread = thread
            .spawn_scoped(scope, run)
            .about("bwrap", "start a thread")?;
        thread.join().unwrap_or_else(|_| {
            Err(Failure::new(
                ErrorCode::Io,
                "bwrap",
                "the thread of the sandbox failed",
            ))
        })
    })
}

/// Runs a tool of this machine outside of any sandbox; what it prints goes to `log`.
pub fn run_on_host(mut command: Command, log: &OwnedFd) -> Result<bool, Failure> {
    let name = command.get_program().to_owned();
    let log = |_: &str| log.try_clone().about(&name, "copy the log");
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(log("out")?)
        .stderr(log("err")?);
    command
        .status()
        .map(|status| status.success())
        .about(&name, "start")
}

/// A running bubblewrap.
struct Sandboxed {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
    /// What it says of its child.
    status: PipeReader,
    capture: Option<PipeReader>,
    output: Vec<u8>,
}

/// Why a sandbox is being killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cancelled,
    Overflow,
}

impl Sandboxed {
    fn start(
        arguments: Vec<OsString>,
        filters: Vec<OwnedFd>,
        streams: Streams,
    ) -> Result<Self, Failure> {
        let (status, status_end) = std::io::pipe().about("bwrap", "make a pipe")?;
        let status_end = OwnedFd::from(status_end);
        let mut command = bubblewrap(streams.terminal)?;
        command
            .env_clear()
            .stdin(streams.input)
            .stdout(streams.output)
            .stderr(streams.errors);
        command.args(["--json-status-fd", &status_end.as_raw_fd().to_string()]);
        for filter in &filters {
            command.args(["--add-seccomp-fd", &filter.as_raw_fd().to_string()]);
        }
        command.args(arguments);
        let ourselves = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .about("bwrap", "watch the helper")?;
        spawn::die_with_parent(&mut command, ourselves);
        spawn::inherit(
            &mut command,
            filters.into_iter().chain([status_end]).collect(),
        );
        let child = command.spawn().about("bwrap", "start the sandbox")?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(rustix::io::Errno::SRCH);
        let ended = pid
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .about("bwrap", "watch the sandbox")?;
        // `command` goes here and with it the writing ends of the pipes.
        Ok(Self {
            child,
            ended,
            status,
            capture: streams.capture,
            output: Vec::new(),
        })
    }

    fn wait(mut self, session: &Connection) -> Result<Finished, Failure> {
        let mut stop = None;
        loop {
            let fired = self
                .poll(session, stop.is_none())
                .about("bwrap", "watch the sandbox")?;
            if fired.contains(&Source::Session) {
                stop = stop.or(Some(Stop::Cancelled));
            }
            if fired.contains(&Source::Capture) && !self.read_capture() {
                stop = stop.or(Some(Stop::Overflow));
            }
            if stop.is_some() {
                let _ = self.child.kill();
            }
            if fired.contains(&Source::Ended) && self.capture.is_none() {
                break;
            }
        }
        self.child.wait().about("bwrap", "wait for the sandbox")?;
        self.finish(stop)
    }

    /// Waits until something happens; says what.
    fn poll(&self, session: &Connection, watch_session: bool) -> rustix::io::Result<Vec<Source>> {
        let mut sources = vec![(Source::Ended, self.ended.as_fd(), PollFlags::IN)];
        if watch_session {
            sources.push((Source::Session, session.as_fd(), PollFlags::RDHUP));
        }
        if let Some(capture) = &self.capture {
            sources.push((Source::Capture, capture.as_fd(), PollFlags::IN));
        }
        let mut polled: Vec<_> = sources
            .iter()
            .map(|(_, file, events)| PollFd::from_borrowed_fd(*file, *events))
            .collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        let fired = sources
            .iter()
            .zip(&polled)
            .filter(|(_, polled)| !polled.revents().is_empty());
        Ok(fired.map(|((source, ..), _)| *source).collect())
    }

    /// The exit status of the program as bubblewrap says it (JSON objects, one in a line); none when it never ran.
    fn exit_code(&mut self) -> Option<i32> {
        let mut text = String::new();
        self.status.read_to_string(&mut text).ok()?;
        let objects = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut codes = objects.filter_map(|object| object.get("exit-code")?.as_i64());
        codes.next().and_then(|code| i32::try_from(code).ok())
    }

    /// Reads captured output; false when it is more than what may be captured.
    fn read_capture(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self
            .capture
            .as_mut()
            .map_or(Ok(0), |capture| capture.read(&mut buffer))
        {
            Ok(0) | Err(_) => self.capture = None,
            Ok(count) if self.output.len() + count > MAX_BLOB => {
                self.capture = None;
                return false;
            }
            Ok(count) => self.output.extend_from_slice(&buffer[..count]),
        }
        true
    }

    fn finish(mut self, stop: Option<Stop>) -> Result<Finished, Failure> {
        match (stop, self.exit_code()) {
            (Some(Stop::Cancelled), _) => Err(Failure::new(
                ErrorCode::Interrupted,
                "",
                "the session was cancelled",
            )),
            (Some(Stop::Overflow), _) => Err(Failure::new(
                ErrorCode::NoSpace,
                "",
                format!("the program printed more than the {MAX_BLOB} bytes that are captured"),
            )),
            (None, Some(status)) => Ok(Finished {
                status,
                output: self.output,
            }),
            (None, None) => Err(Failure::new(
                ErrorCode::Io,
                "bwrap",
                "the sandbox could not be set up; its reason is in the log",
            )),
        }
    }
}

/// The program to start; with a terminal, in a session that it controls.
fn bubblewrap(terminal: bool) -> Result<Command, Failure> {
    let bubblewrap = host_tool("bwrap")?;
    if !terminal {
        return Ok(Command::new(bubblewrap));
    }
    let mut command = Command::new(host_tool("setsid")?);
    command.arg("--ctty").arg(bubblewrap);
    Ok(command)
}

/// What a running sandbox is watched by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Ended,
    Session,
    Capture,
}
