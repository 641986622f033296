//! Running the program as a user does.
use crate::paths;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// No run of a small test takes longer, unless the program hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A command line.
#[derive(Debug)]
pub struct Program {
    command: Command,
    limit: Duration,
}

impl Program {
    /// `osbuild-wasm` with these arguments, English words separated by blanks.
    pub fn new(arguments: &str) -> Self {
        Self::of(paths::program(), arguments)
    }

    /// The program run by another one, e.g. `setpriv --reuid=1`; the arguments follow.
    pub fn through(wrapper: &str, arguments: &str) -> Self {
        let (program, rest) = wrapper.split_once(' ').unwrap_or((wrapper, ""));
        Self::of(program, rest)
            .arg(paths::program())
            .args(arguments.split_whitespace())
    }

    /// A script of sh in which `$0` is the program.
    pub fn shell(script: &str) -> Self {
        Self::of("sh", "-c").arg(script).arg(paths::program())
    }

    /// Another program that runs the program.
    pub fn of(program: impl AsRef<OsStr>, arguments: &str) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("OSBUILD_WASM_PATH")
            // Nothing of what the user of this machine has installed or trusts.
            .env("OSBUILD_WASM_PLUGINS", "/nonexistent/plugins")
            .env("OSBUILD_WASM_KEYS", "/nonexistent/keys")
            // The width of help texts.
            .env_remove("COLUMNS")
            .env("NO_COLOR", "1")
            // Compiled code is shared by all tests: a component is compiled once.
            .env("XDG_CACHE_HOME", paths::kept("cache"))
            // A group of its own: what a test stops, it stops with everything below it.
            .process_group(0);
        Self {
            command,
            limit: LIMIT,
        }
    }

    /// Allows it more time than a small test needs.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds an option with its value.
    #[must_use]
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(name).arg(value)
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        Running {
            child,
            stdout: Some(stdout),
            stderr: Some(stderr),
            started: Instant::now(),
            limit: self.limit,
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().wait()
    }
}

/// The program in a mount namespace of its own, in which `script` (of sh) was run before; it ends with `exec "$@"`.
pub fn through_shell_in_namespace(script: &str, arguments: &str) -> Program {
    Program::of("unshare", "--mount sh -c")
        .arg(script)
        .arg("sh")
        .arg(paths::program())
        .args(arguments.split_whitespace())
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A run that has begun. Dropped, it is killed with everything it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("the program runs");
    }

    /// Sends a signal to the program and all it started, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).expect("the program runs");
    }

    /// Whether it has ended already.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            assert!(
                self.started.elapsed() < self.limit,
                "the program did not end within {:?}",
                self.limit
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |reader: &mut Option<JoinHandle<String>>| {
            let reader = reader.take().expect("waited for once");
            reader.join().expect("a reader does not panic")
        };
        Ended {
            status,
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            _ = kill_process_group(self.pid(), Signal::KILL);
            _ = self.child.wait();
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Wall-clock time from start to end.
    pub took: Duration,
}

impl Ended {
    /// The exit code; 128 + N after signal N.
    pub fn code(&self) -> i32 {
        let signal = || 128 + self.status.signal().unwrap_or_default();
        self.status.code().unwrap_or_else(signal)
    }

    /// Panics with the whole output unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "exit code\n--- standard output\n{}\n--- standard error\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Both streams, for searching.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Panics with the whole output unless this text is in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.all().contains(text),
            "{text:?} is missing in:\n{}",
            self.all()
        );
        self
    }

    /// Panics with the whole output when this text is in it.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(
            !self.all().contains(text),
            "{text:?} should not be in:\n{}",
            self.all()
        );
        self
    }

    /// The standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document: {error}\n{}", self.all()))
    }
}
