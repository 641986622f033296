//! Running one program for a session.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use caps::Capability;
use osbuild_wasm_protocol::{BuildRoot, Failure, Ran, Root};
use rustix::fs::OFlags;

use crate::access::{Need, TREE};
use crate::cgroup::Group;
use crate::failure::About;
use crate::network::Forwarder;
use crate::process::{Finished, Started, Streams, run_sandbox};
use crate::quota::{Quota, Usage};
use crate::runner::{self, Scratch};
use crate::sandbox::spec::Bounds;
use crate::sandbox::view::open_own;
use crate::sandbox::{self, Shown, View};
use crate::session::Session;
use crate::watch::Watch;
use crate::{environment, hint, privilege};

/// A program to run.
#[derive(Debug)]
pub struct Tool {
    pub program: String,
    pub arguments: Vec<OsString>,
    pub root: Root,
    pub environment: Vec<(String, String)>,
    /// Working directory in the sandbox.
    pub directory: PathBuf,
    /// What it reads; none: nothing.
    pub input: Option<OwnedFd>,
    pub output: Sink,
    pub errors: Errors,
    /// The streams are a terminal of its own, which becomes its controlling one.
    pub terminal: bool,
    /// What it sees beside its root and the grant.
    pub shown: Vec<Shown>,
    /// It prepares the sandbox: it sees nothing of the grant, and what it writes does not count for the stage.
    pub prepares: bool,
    /// It sees nothing of the grant but what is shown.
    pub without_grant: bool,
}

/// A program that sees nothing of the grant.
struct Alone<'a> {
    /// Where it is looked for, in this order.
    roots: Vec<OwnedFd>,
    arguments: Vec<OsString>,
    /// Variables beside those that all programs have.
    environment: &'a [(&'a str, &'a str)],
    shown: Vec<Shown>,
    /// Its capabilities are those of the machine.
    privileged: bool,
    capabilities: Vec<String>,
    /// It runs virtual machines.
    virtualization: bool,
    /// What it may write; none: as the session's programs.
    quota: Option<Quota>,
    /// Path in the sandbox of what it mounts.
    mounts: Option<PathBuf>,
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

impl Tool {
    /// A program of the build root that reads nothing and prints to the log.
    pub fn new<A: Into<OsString>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            root: Root::BuildRoot,
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            input: None,
            output: Sink::Log,
            errors: Errors::Log,
            terminal: false,
            shown: Vec::new(),
            prepares: false,
            without_grant: false,
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

/// What programs that prepare the sandbox may write, which is kept for later stages: far more than users and linker caches take.
const PREPARED: Usage = Usage {
    bytes: 256 << 20,
    inodes: 20_000,
};

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
        let path = self.find(&tool)?;
        let mut view = match tool.root {
            Root::BuildRoot if tool.prepares => View::preparing(&self.access, &scratch)?,
            Root::BuildRoot if tool.without_grant => View::of_call(&self.access, &scratch)?,
            Root::BuildRoot => View::build_root(&self.access, &scratch)?,
            Root::Tree => View::tree(&self.access, &scratch)?,
        };
        for shown in tool.shown {
            view.show(shown, &scratch)?;
        }
        let started = Started {
            path,
            arguments: tool.arguments,
            environment: self.environment(&tool.environment)?,
            directory: tool.directory,
            terminal: tool.terminal,
            mounts: None,
        };
        let bounds = self.bounds(&tool.program, &mut view)?;
        let streams = self.streams(tool.input, tool.output, tool.errors)?;
        let mut watch = self.watch(!tool.prepares)?;
        if tool.prepares {
            let written = [scratch.etc(), scratch.var()];
            let written = written.iter().map(|path| open_own(path));
            watch.quota = Some(Quota::new(written.collect::<Result<_, _>>()?, PREPARED)?);
        }
        let ours = tool
            .prepares
            .then(|| ran("runner", &tool.program, &started.arguments));
        let finished = run_sandbox(view, started, bounds, streams, watch);
        self.note(ours, &finished);
        finished
    }

    /// Runs a program that sees nothing of the grant but what is shown, and captures all that it prints. It is that of the build
    /// root where there is one, else that of this machine. `quota` limits what it may write, instead of the grant. A status other than 0
    /// is no failure.
    pub fn run_alone(
        &self,
        program: &str,
        arguments: Vec<OsString>,
        environment: &[(&str, &str)],
        shown: Vec<Shown>,
        quota: Option<Quota>,
    ) -> Result<Finished, Failure> {
        // Files may belong to any user.
        let capabilities = vec![Capability::CAP_DAC_OVERRIDE.to_string()];
        let alone = Alone {
            roots: vec![
                sandbox::root_directory(&self.access)?,
                sandbox::directory_of(&BuildRoot::Host, &self.access)?,
            ],
            arguments,
            environment,
            shown,
            privileged: false,
            capabilities,
            virtualization: false,
            quota,
            mounts: None,
        };
        let streams = self.streams(None, Sink::Capture, Errors::Captured)?;
        self.start_alone(program, alone, streams)
    }

    /// Runs a program of this machine with these of its privileges, because what it does concerns the machine: partitions, the device
    /// mapper. It sees these devices and nothing of the grant; its output is returned, and what it mounts at `mounts`. A status other
    /// than 0 is no failure.
    pub fn run_on_machine(
        &self,
        program: &str,
        arguments: Vec<OsString>,
        (input, errors): (OwnedFd, File),
        devices: Vec<Shown>,
        mounts: Option<&Path>,
    ) -> Result<Finished, Failure> {
        let alone = Alone {
            roots: vec![sandbox::directory_of(&BuildRoot::Host, &self.access)?],
            arguments,
            // Nodes are made by us when a program has ended, whether or not udev runs.
            environment: &[("DM_DISABLE_UDEV", "1"), ("LVM_SUPPRESS_FD_WARNINGS", "1")],
            shown: devices,
            privileged: true,
            capabilities: privilege::of_machine(self.interface)?,
            virtualization: false,
            quota: None,
            mounts: mounts.map(Path::to_owned),
        };
        let streams = self.streams(Some(input), Sink::Capture, Errors::File(errors))?;
        self.start_alone(program, alone, streams)
    }

    /// Runs a program of this machine that runs virtual machines. It sees nothing of the grant but what is shown; its output goes to
    /// `output` and what it says of itself to the log. A status other than 0 is no failure.
    pub fn run_emulator(
        &self,
        program: &str,
        arguments: Vec<OsString>,
        output: File,
        shown: Vec<Shown>,
    ) -> Result<Finished, Failure> {
        let alone = Alone {
            roots: vec![sandbox::directory_of(&BuildRoot::Host, &self.access)?],
            arguments,
            environment: &[],
            shown,
            privileged: false,
            capabilities: privilege::of_programs(&[], false)?,
            virtualization: true,
            quota: None,
            mounts: None,
        };
        let streams = self.streams(None, Sink::File(output), Errors::Log)?;
        self.start_alone(program, alone, streams)
    }

    fn start_alone(
        &self,
        program: &str,
        alone: Alone<'_>,
        streams: Streams,
    ) -> Result<Finished, Failure> {
        let scratch = Scratch::of(&self.access)?;
        scratch.skeleton()?;
        let mut found = alone
            .roots
            .into_iter()
            .filter_map(|root| Some((sandbox::find_program(&root, program)?, root)));
        let (path, root) = found
            .next()
            .ok_or_else(|| hint::missing_tool(program, "this machine"))?;
        let mut view = View::alone(&root, &scratch)?;
        for shown in alone.shown {
            view.show(shown, &scratch)?;
        }
        let user_namespace = match alone.privileged {
            true => None,
            false => Some(view.hold(privilege::user_namespace()?)),
        };
        let bounds = Bounds {
            user_namespace,
            capabilities: alone.capabilities,
            virtualization: alone.virtualization,
            file_size: self.access.grant.limits.written_bytes,
            memory: self.memory_of_a_process(),
            in_memory: self.access.grant.limits.memory,
        };
        let mut environment = self.environment(&[])?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        environment.extend(alone.environment.iter().map(owned));
        let started = Started {
            path,
            arguments: alone.arguments,
            environment,
            directory: PathBuf::from("/"),
            terminal: false,
            mounts: alone.mounts,
        };
        let mut watch = self.watch(alone.quota.is_none())?;
        watch.quota = alone.quota.or(watch.quota);
        let ours = ran(self.interface.as_str(), program, &started.arguments);
        let finished = run_sandbox(view, started, bounds, streams, watch);
        self.note(Some(ours), &finished);
        finished
    }

    /// Notes what was run of our own accord, for the record of the stage.
    fn note(&self, ran: Option<Ran>, finished: &Result<Finished, Failure>) {
        let status = finished.as_ref().ok().map(|finished| finished.status);
        let ran = ran.map(|ran| Ran { status, ..ran });
        self.ran.borrow_mut().extend(ran);
    }

    /// What a program of the session is watched by and limited to.
    fn watch(&self, counts: bool) -> Result<Watch<'_>, Failure> {
        let limits = self.access.grant.limits;
        let group = self.group.get_or_init(|| Group::new(limits.memory));
        let quota = match (limits.written_bytes, limits.created_inodes) {
            (bytes, inodes) if counts && (bytes.is_some() || inodes.is_some()) => {
                let limit = Usage {
                    bytes: bytes.unwrap_or(u64::MAX),
                    inodes: inodes.unwrap_or(u64::MAX),
                };
                Some(Quota::new(self.access.writable()?, limit)?)
            }
            _ => None,
        };
        Ok(Watch {
            session: &self.connection,
            group: group.as_ref(),
            memory: limits.memory,
            quota,
            looks: (0, 0),
        })
    }

    /// What a program of the session may be: root of a user namespace in which its capabilities reach nothing of the machine's, or,
    /// if the grant names it for that, a process with the capabilities of the grant on the machine itself.
    fn bounds(&self, program: &str, view: &mut View) -> Result<Bounds, Failure> {
        let grant = &self.access.grant;
        let privileged = grant.privileged.iter().any(|named| named == program);
        let user_namespace = match privileged {
            true => None,
            false => Some(view.hold(privilege::user_namespace()?)),
        };
        Ok(Bounds {
            user_namespace,
            capabilities: privilege::of_programs(&grant.capabilities, privileged)?,
            virtualization: false,
            file_size: grant.limits.written_bytes,
            memory: self.memory_of_a_process(),
            in_memory: self.access.grant.limits.memory,
        })
    }

    /// Where there are control groups these limit the memory of all processes together.
    fn memory_of_a_process(&self) -> Option<u64> {
        let limits = self.access.grant.limits;
        let group = self.group.get_or_init(|| Group::new(limits.memory));
        limits.memory.filter(|_| group.is_none())
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

    /// A clean environment with these variables in it.
    fn environment(&self, more: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
        environment::check(&self.access.grant.environment, more)?;
        let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
        let fixed = [
            ("container", "bwrap-osbuild"),
            ("LC_CTYPE", "C.UTF-8"),
            ("PATH", "/usr/sbin:/usr/bin"),
            ("TERM", &terminal),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let epoch = self.access.grant.source_epoch;
        let epoch = epoch.map(|epoch| ("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string()));
        let proxy = self.network.iter().flat_map(Forwarder::environment);
        let proxy = proxy.map(|(name, value)| (name.to_owned(), value));
        let mut all: BTreeMap<_, _> = fixed.into_iter().chain(epoch).chain(proxy).collect();
        all.extend(more.iter().cloned());
        Ok(all)
    }

    fn streams(
        &self,
        input: Option<OwnedFd>,
        output: Sink,
        errors: Errors,
    ) -> Result<Streams, Failure> {
        let log = || self.log.try_clone().about("", "copy the log");
        let input = input.map_or_else(nothing, Ok)?;
        let (capture, output) = match output {
            Sink::Log => (None, log()?),
            Sink::File(file) => (None, file.into()),
            Sink::Discard => (None, nothing()?),
            Sink::Capture => {
                let (reader, writer) = std::io::pipe().about("", "make a pipe")?;
                (Some(reader), writer.into())
            }
        };
        let errors = match errors {
            Errors::Log => log()?,
            Errors::Captured => output.try_clone().about("", "copy a pipe")?,
            Errors::File(file) => file.into(),
        };
        Ok(Streams {
            files: [input, output, errors],
            capture,
            log: log()?,
        })
    }
}

/// Arguments that are told of a program.
const TOLD: usize = 40;

fn ran(by: &str, program: &str, arguments: &[OsString]) -> Ran {
    let told = arguments.iter().take(TOLD);
    let mut told: Vec<_> = told
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let more = arguments.len().saturating_sub(TOLD);
    told.extend((more > 0).then(|| format!("and {more} more")));
    Ran {
        by: by.to_owned(),
        program: program.to_owned(),
        arguments: told,
        status: None,
    }
}

/// What nothing is read from and nothing arrives at.
fn nothing() -> Result<OwnedFd, Failure> {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.map(OwnedFd::from).about("/dev/null", "open")
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
    pub fn shown(&self) -> Result<Shown, Failure> {
        Shown::own(&self.0, WORK, false)
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
