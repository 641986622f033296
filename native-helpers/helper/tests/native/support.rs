//! A run's directories, its grant, and helpers for it.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{
    Attach, Attached, BuildRoot, Charter, Client, Conversion, Create, Device, Directory, Failure,
    Grant, Granted, ImageInfo, Info, Input, Interface, Outcome, Output, Place, Proxy, Root, Run,
    RunnerCache, Session,
};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use tempfile::TempDir;

pub const HELPER: &str = env!("CARGO_BIN_EXE_osbuild-wasm-helper");
pub const TREE: &str = "/run/osbuild/tree";
pub const MOUNTS: &str = "/run/osbuild/mounts";

/// Whether the test can run here: root, and these programs.
pub fn can_run(tools: &[&str]) -> bool {
    let there = |tool: &&str| {
        ["/usr/sbin", "/usr/bin"]
            .iter()
            .any(|place| Path::new(place).join(tool).exists())
    };
    let missing: Vec<_> = tools.iter().filter(|tool| !there(tool)).collect();
    let root = rustix::process::geteuid().is_root();
    assert!(
        std::env::var_os("CI").is_none() || (root && missing.is_empty()),
        "root: {root}, missing: {missing:?}"
    );
    if !root || !missing.is_empty() {
        eprintln!("skipped: root: {root}, missing: {missing:?}");
    }
    root && missing.is_empty()
}

/// The same for tests with loop devices or privileged attributes, which no user namespace has.
pub fn can_attach(tools: &[&str]) -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let initial = map.split_whitespace().eq(["0", "0", "4294967295"]);
    assert!(
        initial || std::env::var_os("CI").is_none(),
        "in a user namespace"
    );
    if !initial {
        eprintln!("skipped: in a user namespace");
    }
    initial && can_run(tools)
}

/// A directory of a run.
#[derive(Clone)]
pub struct Shown {
    pub contract: String,
    pub host: PathBuf,
    pub writable: bool,
}

/// One run: tree, mounts, scratch and log in a directory of its own; the thread gets mounts of its own.
pub struct Bench {
    top: TempDir,
    /// Without what comes as descriptors.
    pub grant: Grant,
    pub directories: Vec<Shown>,
    /// Contract paths of devices, and where they are.
    pub devices: Vec<(String, PathBuf)>,
    pub build_root: Option<PathBuf>,
    pub runner_cache: bool,
    pub scratch: PathBuf,
    pub proxy: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        osbuild_wasm_sys::namespace::private_mounts().unwrap();
        let top = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for directory in ["tree", "mounts", "scratch"] {
            fs::create_dir(top.path().join(directory)).unwrap();
        }
        let directory = |contract: &str, name: &str| Shown {
            contract: contract.into(),
            host: top.path().join(name),
            writable: true,
        };
        Self {
            grant: Grant::default(),
            directories: vec![directory(TREE, "tree"), directory(MOUNTS, "mounts")],
            devices: Vec::new(),
            build_root: None,
            runner_cache: false,
            scratch: top.path().join("scratch"),
            proxy: None,
            top,
        }
    }

    pub fn granting(programs: &[&str]) -> Self {
        let mut bench = Self::new();
        bench.grant.programs = programs.iter().map(ToString::to_string).collect();
        bench
    }

    pub fn top(&self) -> &Path {
        self.top.path()
    }

    pub fn tree(&self) -> PathBuf {
        self.top().join("tree")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.top().join("log")).unwrap_or_default()
    }

    /// The grant with its descriptors, as the runtime opens them.
    pub fn granted(&self) -> Granted {
        let mut granted = Granted {
            grant: self.grant.clone(),
            files: Vec::new(),
        };
        let grant = Grant {
            scratch: granted.hold(handle(&self.scratch)),
            ..self.grant.clone()
        };
        granted.grant = grant;
        for shown in &self.directories {
            let mounted_over = [TREE, MOUNTS].contains(&shown.contract.as_str());
            let place = match (shown.host.parent(), shown.host.file_name()) {
                (Some(above), Some(name)) if mounted_over => {
                    let name = name.to_str().unwrap().to_owned();
                    Place::In(granted.hold(handle(above)), name)
                }
                _ => Place::Itself(granted.hold(handle(&shown.host))),
            };
            granted.grant.directories.push(Directory {
                contract: shown.contract.clone(),
                place,
                writable: shown.writable,
            });
        }
        for (contract, host) in &self.devices {
            let (contract, node) = (contract.clone(), granted.hold(handle(host)));
            granted.grant.devices.push(Device { contract, node });
        }
        if let Some(root) = &self.build_root {
            granted.grant.build_root = BuildRoot::Directory(granted.hold(handle(root)));
        }
        if self.runner_cache {
            let directory = granted.hold(handle(self.top()));
            let name = "cache".into();
            granted.grant.runner_cache = Some(RunnerCache { directory, name });
        }
        if let Some(proxy) = &self.proxy {
            let socket = granted.hold(handle(proxy));
            granted.grant.network = Some(Proxy { socket });
        }
        granted
    }

    /// A charter for its grant and nothing else.
    pub fn charter(&self) -> Charter {
        let mut charter = Charter::of_scopes([self.top().to_owned()]);
        charter.add(&self.grant);
        charter
    }

    pub fn client(&self, interface: Interface) -> Client {
        Client::spawn(Path::new(HELPER), interface, &self.charter()).unwrap()
    }

    pub fn begin(&self, client: &Client) -> Calls {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.top().join("log"))
            .unwrap();
        Calls {
            session: client.begin(&self.granted(), log.into()).unwrap(),
            directories: self.directories.clone(),
        }
    }

    /// A file of the tree with this many MiB of zeros.
    pub fn disk(&self, name: &str, mebibytes: u64) -> String {
        File::create(self.tree().join(name))
            .unwrap()
            .set_len(mebibytes << 20)
            .unwrap();
        format!("{TREE}/{name}")
    }
}

/// A handle that opens nothing.
pub fn handle(path: &Path) -> OwnedFd {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// A session, whose calls get the files that their paths name.
pub struct Calls {
    session: Session,
    directories: Vec<Shown>,
}

impl std::ops::Deref for Calls {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Calls {
    /// Opens a path as the runtime does it; what is in no granted directory is that of the machine.
    pub fn open(&self, path: &str, flags: OFlags) -> OwnedFd {
        let inside = |shown: &&Shown| Path::new(path).starts_with(&shown.contract);
        let shown = self.directories.iter().rfind(inside);
        let (root, rest) = match shown {
            Some(shown) => (handle(&shown.host), &path[shown.contract.len()..]),
            None => (handle(Path::new("/")), path),
        };
        let mode = match flags.contains(OFlags::CREATE) {
            true => Mode::from_raw_mode(0o644),
            false => Mode::empty(),
        };
        let rest = if rest.is_empty() { "." } else { rest };
        openat2(
            root,
            rest,
            flags | OFlags::CLOEXEC,
            mode,
            ResolveFlags::IN_ROOT,
        )
        .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn end(self) -> Result<(), Failure> {
        self.session.end().map(drop)
    }

    pub fn attach(&self, attach: Attach) -> Result<Attached, Failure> {
        let file = self.open(&attach.path, OFlags::PATH);
        self.session.call(attach, &[file.as_fd()])
    }

    pub fn run(&self, run: Run) -> Result<Outcome, Failure> {
        let mut files = Vec::new();
        if let Input::File(path) = &run.input {
            files.push(self.open(path, OFlags::RDONLY));
        }
        if let Output::File(path) = &run.output {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            files.push(self.open(path, flags));
        }
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        self.session.call(run, &files)
    }

    /// A file that is written, and its directory.
    fn target(&self, path: &str) -> [OwnedFd; 2] {
        let (parent, _) = path.rsplit_once('/').unwrap();
        let flags = OFlags::WRONLY | OFlags::CREATE;
        [self.open(path, flags), self.open(parent, OFlags::PATH)]
    }

    pub fn convert(&self, conversion: Conversion) -> Result<(), Failure> {
        let source = self.open(&conversion.source, OFlags::PATH);
        let [to, directory] = self.target(&conversion.to);
        let files = [source.as_fd(), to.as_fd(), directory.as_fd()];
        self.session.call(conversion, &files)
    }

    pub fn create(&self, create: Create) -> Result<(), Failure> {
        let files = self.target(&create.path);
        self.session
            .call(create, &files.each_ref().map(AsFd::as_fd))
    }

    pub fn info(&self, path: String) -> Result<ImageInfo, Failure> {
        let image = self.open(&path, OFlags::PATH);
        self.session.call(Info { path }, &[image.as_fd()])
    }
}

pub fn attach(path: &str) -> Attach {
    Attach {
        path: path.into(),
        offset: 0,
        size: None,
        sector_size: 512,
        read_only: false,
        partition_scan: false,
        lock: false,
    }
}

/// `program ARGUMENTS` in the build root with captured output.
pub fn run(program: &str, arguments: &[&str]) -> Run {
    Run {
        program: program.into(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        root: Root::BuildRoot,
        environment: Vec::new(),
        directory: None,
        input: Input::None,
        output: Output::Capture,
        binds: Vec::new(),
    }
}

/// Runs on the machine itself, as a test's preparation.
pub fn host(program: &str, arguments: &[&str]) {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Loop devices of files in a directory, as the kernel has them.
pub fn loops_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/block").unwrap().flatten() {
        let file = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if file.starts_with(directory.to_str().unwrap()) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// Waits up to ten seconds.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}
