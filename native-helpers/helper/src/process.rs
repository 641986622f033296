//! Starting a sandbox, waiting for it, and killing it when the session is cancelled.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use osbuild_wasm_protocol::{Bytes, Connection, ErrorCode, Failure, FrameError, MAX_BLOB, Reply};
use osbuild_wasm_sys::{namespace, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cgroup::Group;
use crate::failure::About;
use crate::hint;
use crate::processes::{Processes, files_in_memory_of_machine};
use crate::sandbox::spec::{Bounds, Program, Spec};
use crate::sandbox::{View, first};
use crate::watch::Watch;

/// The program of this process, wherever it is by now.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; 128 + N when signal N ended it.
    pub status: i32,
    /// What went into the capture pipe.
    pub output: Vec<u8>,
    /// What it mounted, if it was to mount something and its status is 0.
    pub mounted: Option<OwnedFd>,
}

/// Standard streams of a program.
#[derive(Debug)]
pub struct Streams {
    /// Standard input, output and error.
    pub files: [OwnedFd; 3],
    /// The reading end of a pipe that output or errors write to.
    pub capture: Option<PipeReader>,
    /// Where the sandbox itself says what goes wrong.
    pub log: OwnedFd,
}

/// A program as it is started in its sandbox.
#[derive(Debug)]
pub struct Started {
    /// Path in the sandbox.
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// Working directory in the sandbox.
    pub directory: PathBuf,
    /// The streams are a terminal that is to control what runs.
    pub terminal: bool,
    /// Path in the sandbox of what it mounts, which is handed over.
    pub mounts: Option<PathBuf>,
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

/// Runs a program in a sandbox and waits for the end of all that it started.
///
/// The first process of the sandbox is the first one of a process namespace: when it ends, for any reason, the kernel ends everything,
/// and it cannot be waited for before everything has ended.
pub fn run_sandbox(
    view: View,
    started: Started,
    bounds: Bounds,
    streams: Streams,
    mut watch: Watch<'_>,
) -> Result<Finished, Failure> {
    let run = || {
        namespace::private_processes().about("", "make a process namespace")?;
        Sandboxed::start(view, started, bounds, streams, watch.group)?.wait(&mut watch)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sandbox".into());
        let thread = thread
            .spawn_scoped(scope, run)
            .about("", "start a thread")?;
        let failed = |_| Failure::new(ErrorCode::Io, "", "the thread of the sandbox failed");
        thread.join().unwrap_or_else(|panic| Err(failed(panic)))
    })
}

/// The specification of a sandbox and the descriptors that go with it.
fn specification(
    mut view: View,
    started: Started,
    bounds: Bounds,
    streams: [OwnedFd; 3],
) -> (Spec, Vec<OwnedFd>) {
    let bytes = |text: &OsStr| Bytes(text.as_bytes().to_vec());
    let program = Program {
        path: bytes(started.path.as_os_str()),
        arguments: started.arguments.iter().map(|word| bytes(word)).collect(),
        environment: started.environment,
        directory: bytes(started.directory.as_os_str()),
        streams: streams.map(|stream| view.hold(stream)),
        terminal: started.terminal,
        mounts: started
            .mounts
            .as_deref()
            .map(|path| bytes(path.as_os_str())),
    };
    let spec = Spec {
        root: view.root,
        root_is_read_only: view.root_is_read_only,
        places: view.places,
        program,
        bounds,
    };
    (spec, view.files)
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

/// A running sandbox.
struct Sandboxed {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
    /// Where its first process says how the program ended.
    control: Connection,
    /// Bytes of files in memory that the machine had before.
    files_in_memory: u64,
    capture: Option<PipeReader>,
    output: Vec<u8>,
}

/// Why a sandbox is being killed.
#[derive(Clone, PartialEq, Eq)]
enum Stop {
    Cancelled,
    Overflow,
    /// More than may be used up, with the message that says so.
    Quota(String),
}

impl Sandboxed {
    fn start(
        view: View,
        started: Started,
        bounds: Bounds,
        streams: Streams,
        group: Option<&Group>,
    ) -> Result<Self, Failure> {
        let (ours, theirs) = UnixStream::pair().about("", "make a socket")?;
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg(first::COMMAND)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(streams.log);
        let ourselves = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .about("", "watch the helper")?;
        spawn::die_with_parent(&mut command, ourselves);
        let child = command.spawn().about("", "start the sandbox")?;
        // It holds the other end of the socket.
        drop(command);
        if let Some(group) = group {
            // It starts nothing before it is told what.
            group
                .add(child.id())
                .about("", "put the sandbox into its control group")?;
        }
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(rustix::io::Errno::SRCH);
        let ended = pid
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .about("", "watch the sandbox")?;
        let control = Connection::from(ours);
        let (spec, files) = specification(view, started, bounds, streams.files);
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let broken = |error: FrameError| {
            Failure::new(
                ErrorCode::Io,
                "",
                format!("cannot tell the sandbox what it is: {error}"),
            )
        };
        // A program is faster than the first look at it.
        let files_in_memory = files_in_memory_of_machine();
        control.send(&spec, &files).map_err(broken)?;
        Ok(Self {
            files_in_memory,
            child,
            ended,
            control,
            capture: streams.capture,
            output: Vec::new(),
        })
    }

    fn wait(mut self, watch: &mut Watch<'_>) -> Result<Finished, Failure> {
        let mut stop = None;
        let mut processes = None;
        loop {
            let fired = self
                .poll(watch, stop.is_none())
                .about("", "watch the sandbox")?;
            if fired.contains(&Source::Session) {
                stop = stop.or(Some(Stop::Cancelled));
            }
            if fired.contains(&Source::Capture) && !self.read_capture() {
                stop = stop.or(Some(Stop::Overflow));
            }
            if stop.is_none() {
                processes =
                    processes.or_else(|| Processes::of(self.child.id(), self.files_in_memory));
                stop = watch.exceeded(processes.as_ref()).map(Stop::Quota);
            }
            if stop.is_some() {
                let _ = self.child.kill();
            }
            if fired.contains(&Source::Ended) && self.capture.is_none() {
                break;
            }
        }
        self.child.wait().about("", "wait for the sandbox")?;
        let mut too_much = || watch.exceeded(None).or_else(|| watch.out_of_memory());
        self.finish(stop.or_else(|| too_much().map(Stop::Quota)))
    }

    /// Waits until something happens; says what.
    fn poll(&self, watch: &Watch<'_>, watch_session: bool) -> rustix::io::Result<Vec<Source>> {
        let mut sources = vec![(Source::Ended, self.ended.as_fd(), PollFlags::IN)];
        if watch_session {
            sources.push((Source::Session, watch.session.as_fd(), PollFlags::RDHUP));
        }
        if let Some(capture) = &self.capture {
            sources.push((Source::Capture, capture.as_fd(), PollFlags::IN));
        }
        let mut polled: Vec<_> = sources
            .iter()
            .map(|(_, file, events)| PollFd::from_borrowed_fd(*file, *events))
            .collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, watch.patience()))?;
        let fired = sources
            .iter()
            .zip(&polled)
            .filter(|(_, polled)| !polled.revents().is_empty());
        Ok(fired.map(|((source, ..), _)| *source).collect())
    }

    /// The exit status of the program and what it mounted, or why it never ran.
    fn status(&self) -> Result<(i32, Option<OwnedFd>), Failure> {
        match self.control.receive::<Reply<i32>>() {
            Ok(Some((reply, mounted))) => {
                Result::from(reply).map(|status| (status, mounted.into_iter().next()))
            }
            Ok(None) | Err(_) => {
                let detail = "the sandbox ended before the program did: somebody killed it, or memory ran out";
                Err(Failure::new(ErrorCode::Io, "", detail))
            }
        }
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

    fn finish(self, stop: Option<Stop>) -> Result<Finished, Failure> {
        match stop {
            Some(Stop::Cancelled) => {
                let detail = "the session was cancelled";
                Err(Failure::new(ErrorCode::Interrupted, "", detail))
            }
            Some(Stop::Overflow) => {
                let detail =
                    format!("the program printed more than the {MAX_BLOB} bytes that are captured");
                Err(Failure::new(ErrorCode::NoSpace, "", detail))
            }
            Some(Stop::Quota(message)) => Err(Failure::new(ErrorCode::NoSpace, "", message)),
            None => {
                let (status, mounted) = self.status()?;
                Ok(Finished {
                    status,
                    output: self.output,
                    mounted,
                })
            }
        }
    }
}

/// What a running sandbox is watched by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Ended,
    Session,
    Capture,
}
