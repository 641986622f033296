//! Running one program for a session.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use caps::{Capability, CapsHashSet};
use osbuild_wasm_protocol::{BuildRoot, Failure, Root};
use rustix::fs::OFlags;

use crate::access::{Need, TREE};
use crate::failure::About;
use crate::process::{Finished, Streams, run_sandbox};
use crate::runner::{self, Scratch};
use crate::sandbox::{self, Sandbox};
use crate::session::Session;
use crate::{hint, privilege, seccomp};

/// A program to run.
#[derive(Debug)]
pub struct Tool {
    pub program: String,
    pub arguments: Vec<OsString>,
    pub root: Root,
    pub environment: Vec<(String, String)>,
    /// Working directory in the sandbox.
    pub directory: PathBuf,
    pub input: Stdio,
    pub output: Sink,
    pub errors: Errors,
    /// The streams are a terminal of its own, which becomes its controlling one.
    pub terminal: bool,
    /// What it sees beside its root and the grant.
    pub shown: Vec<Shown>,
}

/// Where standard output goes.
#[derive(Debug)]
pub enum Sink {
    Log,
    Capture,
    File(File),
    Discard,
}

/// Where standard error goes.
#[derive(Debug)]
pub enum Errors {
    Log,
    /// To where the captured output goes.
    Captured,
    File(File),
}

/// Something more that a tool sees, at a path of its sandbox.
#[derive(Debug)]
pub enum Shown {
    /// A path of this machine.
    Host {
        source: PathBuf,
        target: PathBuf,
        read_only: bool,
    },
    /// A device node of this machine.
    Device { source: PathBuf, target: PathBuf },
    /// The minimal /dev of a sandbox, for programs that chroot.
    Dev(PathBuf),
    /// Its /proc.
    Proc(PathBuf),
    /// Its /sys, read only.
    Sys(PathBuf),
}

impl Tool {
    /// A program of the build root that reads nothing and prints to the log.
    pub fn new<A: Into<OsString>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            root: Root::BuildRoot,
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            input: Stdio::null(),
            output: Sink::Log,
            errors: Errors::Log,
            terminal: false,
            shown: Vec::new(),
        }
    }

    /// The same with its output returned.
    pub fn captured(self) -> Self {
        Self {
            output: Sink::Capture,
            ..self
        }
    }
}

impl Session {
    /// Runs a tool in a prepared sandbox and waits for it. A status other than 0 is no failure.
    pub fn run(&mut self, tool: Tool) -> Result<Finished, Failure> {
        match tool.root {
            Root::BuildRoot => runner::prepare(self)?,
            Root::Tree => Scratch::of(&self.access)?.skeleton()?,
        }
        self.run_prepared(tool)
    }

    /// As [`Session::run`], without the runner's preparation before it.
    pub fn run_prepared(&self, tool: Tool) -> Result<Finished, Failure> {
        let scratch = Scratch::of(&self.access)?;
        let program = self.find(&tool)?;
        let mut sandbox = match tool.root {
            Root::BuildRoot => Sandbox::build_root(&self.access, &scratch)?,
            Root::Tree => Sandbox::tree(&self.access, &scratch)?,
        };
        for shown in &tool.shown {
            sandbox.show(shown, &scratch);
        }
        isolate(
            &mut sandbox,
            privilege::of_tools(&self.access.grant.capabilities)?,
        );
        if !tool.terminal {
            sandbox.add([&"--new-session"]);
        }
        self.environment(&mut sandbox, &tool.environment)?;
        sandbox.add([&"--chdir", &tool.directory, &"--", &program]);
        sandbox.arguments.extend(tool.arguments);
        let filters = seccomp::of_tools(&self.access.grant.capabilities)?;
        let mut streams = self.streams(tool.input, tool.output, tool.errors)?;
        streams.terminal = tool.terminal;
        run_sandbox(sandbox.arguments, filters, streams, &self.connection)
    }

    /// Runs a program that sees nothing of the grant but what is shown, and captures all that it prints. It is that of the build
    /// root where there is one, else that of this machine. A status other than 0 is no failure.
    pub fn run_alone(
        &self,
        program: &str,
        arguments: Vec<OsString>,
        environment: &[(String, String)],
        shown: &[Shown],
    ) -> Result<Finished, Failure> {
        let scratch = Scratch::of(&self.access)?;
        scratch.skeleton()?;
        let build_root = (
            sandbox::root_directory(&self.access)?,
            sandbox::root_path(&self.access),
        );
        let machine = (
            sandbox::directory_of(&BuildRoot::Host, &self.access)?,
            Path::new("/"),
        );
        let mut found = [build_root, machine]
            .into_iter()
            .filter_map(|(root, path)| Some((sandbox::find_program(&root, program)?, path)));
        let (program, root) = found
            .next()
            .ok_or_else(|| hint::missing_tool(program, "this machine"))?;
        let mut sandbox = Sandbox::alone(root, &scratch);
        for shown in shown {
            sandbox.show(shown, &scratch);
        }
        // Files may belong to anybody.
        isolate(
            &mut sandbox,
            CapsHashSet::from([Capability::CAP_DAC_OVERRIDE]),
        );
        self.environment(&mut sandbox, environment)?;
        sandbox.add([&"--new-session", &"--", &program]);
        sandbox.arguments.extend(arguments);
        let streams = self.streams(Stdio::null(), Sink::Capture, Errors::Captured)?;
        run_sandbox(
            sandbox.arguments,
            seccomp::of_tools(&[])?,
            streams,
            &self.connection,
        )
    }

    fn find(&self, tool: &Tool) -> Result<PathBuf, Failure> {
        let (root, place) = match tool.root {
            Root::BuildRoot => (sandbox::root_directory(&self.access)?, "the build root"),
            Root::Tree => (
                self.access
                    .open(TREE, Need::Read, OFlags::PATH | OFlags::DIRECTORY)?,
                "the tree",
            ),
        };
        sandbox::find_program(&root, &tool.program)
            .ok_or_else(|| hint::missing_tool(&tool.program, place))
    }

    /// A clean environment; set inside, never for bubblewrap itself.
    fn environment(&self, sandbox: &mut Sandbox, more: &[(String, String)]) -> Result<(), Failure> {
        sandbox::check_environment(more)?;
        let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
        let epoch = self
            .access
            .grant
            .source_epoch
            .map(|epoch| ("SOURCE_DATE_EPOCH", epoch.to_string()));
        let fixed = [
            ("container", "bwrap-osbuild"),
            ("LC_CTYPE", "C.UTF-8"),
            ("PATH", "/usr/sbin:/usr/bin"),
            ("TERM", &terminal),
        ];
        let proxy = self
            .network
            .iter()
            .flat_map(crate::network::Forwarder::environment);
        sandbox.add([&"--clearenv"]);
        for (name, value) in fixed {
            sandbox.add([&"--setenv", &name, &value]);
        }
        for (name, value) in epoch.into_iter().chain(proxy) {
            sandbox.add([&"--setenv", &name, &value]);
        }
        for (name, value) in more {
            sandbox.add([&"--setenv", &name, &value]);
        }
        Ok(())
    }

    fn streams(&self, input: Stdio, output: Sink, errors: Errors) -> Result<Streams, Failure> {
        let log = || {
            self.log
                .try_clone()
                .map(Stdio::from)
                .about("", "copy the log")
        };
        let mut streams = Streams {
            input,
            output: Stdio::null(),
            errors: log()?,
            capture: None,
            terminal: false,
        };
        let captured = matches!(errors, Errors::Captured);
        if let Errors::File(file) = errors {
            streams.errors = file.into();
        }
        match output {
            Sink::Log => streams.output = log()?,
            Sink::File(file) => streams.output = file.into(),
            Sink::Discard => {}
            Sink::Capture => {
                let (reader, writer) = std::io::pipe().about("", "make a pipe")?;
                if captured {
                    streams.errors = writer.try_clone().about("", "copy a pipe")?.into();
                }
                streams.output = writer.into();
                streams.capture = Some(reader);
            }
        }
        Ok(streams)
    }
}

/// Namespaces and capabilities. The network is that of the session's thread.
fn isolate(sandbox: &mut Sandbox, capabilities: CapsHashSet) {
    sandbox.add([
        &"--unshare-pid",
        &"--unshare-ipc",
        &"--unshare-uts",
        &"--unshare-cgroup-try",
    ]);
    sandbox.add([&"--die-with-parent", &"--cap-drop", &"ALL"]);
    let mut capabilities: Vec<_> = capabilities.into_iter().collect();
    capabilities.sort_by_key(|capability| capability.index());
    for capability in capabilities {
        sandbox.add([&"--cap-add", &capability.to_string()]);
    }
}

/// A new directory of the session's scratch that tools see as [`WORK`], removed when dropped.
#[derive(Debug)]
pub struct Work(PathBuf);

/// Where a tool sees a [`Work`] directory.
pub const WORK: &str = "/tmp/osbuild";

impl Work {
    /// Makes it, empty.
    pub fn new(session: &Session) -> Result<Self, Failure> {
        let path = Scratch::of(&session.access)?.work(session.interface);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).about(&path, "make a working directory")?;
        Ok(Self(path))
    }

    /// What shows it to a tool.
    pub fn shown(&self) -> Shown {
        Shown::Host {
            source: self.0.clone(),
            target: PathBuf::from(WORK),
            read_only: false,
        }
    }

    /// Writes a file and returns its path in the sandbox.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        std::fs::write(self.0.join(name), bytes).about(name, "write a temporary file")?;
        Ok(Path::new(WORK).join(name))
    }

    /// Reads a regular file that a tool made.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        use std::io::Read;
        let root = rustix::fs::open(
            &self.0,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let root = root.about(&self.0, "open a working directory")?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let file = crate::access::open_inside(&root, Path::new(name), flags)
            .about(name, "open what the tool made")?;
        let mut bytes = Vec::new();
        let limit = osbuild_wasm_protocol::MAX_BLOB as u64;
        File::from(file)
            .take(limit)
            .read_to_end(&mut bytes)
            .about(name, "read what the tool made")?;
        Ok(bytes)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
