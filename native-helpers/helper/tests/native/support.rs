//! A run's directories, its grant, and helpers for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{
    Attach, BuildRoot, Charter, Client, Directory, Grant, Input, Interface, Output, Root, Run,
    Session,
};
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

/// One run: tree, mounts, scratch and log in a directory of its own; the thread gets mounts of its own.
pub struct Bench {
    top: TempDir,
    pub grant: Grant,
}

impl Bench {
    pub fn new() -> Self {
        osbuild_wasm_sys::namespace::private_mounts().unwrap();
        let top = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for directory in ["tree", "mounts", "scratch"] {
            fs::create_dir(top.path().join(directory)).unwrap();
        }
        let directory = |contract: &str, name: &str| Directory {
            contract: contract.into(),
            host: top.path().join(name),
            writable: true,
        };
        let grant = Grant {
            directories: vec![directory(TREE, "tree"), directory(MOUNTS, "mounts")],
            build_root: BuildRoot::Host,
            scratch: top.path().join("scratch"),
            ..Grant::default()
        };
        Self { top, grant }
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

    pub fn client(&self, interface: Interface) -> Client {
        let mut charter = Charter::of_scopes([self.top().to_owned()]);
        charter.add(&self.grant);
        Client::spawn(Path::new(HELPER), interface, &charter).unwrap()
    }

    pub fn begin(&self, client: &Client) -> Session {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.top().join("log"))
            .unwrap();
        client.begin(&self.grant, log.into()).unwrap()
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
