//! A repository as large as a distribution: how long solving takes from XML and from the cache, in how much memory, beside dnf.
//!
//! `cargo bench -p osbuild-wasm-solver`; the repository is made once, in target/.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench tells what it measured, and uses a part of what tests use"
)]

#[path = "../tests/depsolve/repository.rs"]
mod repository;

use repository::{Package, Repository};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// As many as Fedora has.
const PACKAGES: usize = 60_000;
const RUNS: usize = 5;

/// What dnf does with the same wish; prints seconds for its first time and for one with its cache.
const DNF: &str = r#"
import sys, tempfile, time, dnf
url, words = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory() as directory:
    for _ in range(2):
        started = time.time()
        base = dnf.Base()
        base.conf.cachedir = base.conf.persistdir = base.conf.logdir = base.conf.installroot = directory
        base.conf.substitutions.update(arch="x86_64", basearch="x86_64", releasever="1")
        repo = dnf.repo.Repo("r", base.conf)
        repo.baseurl = [url]
        base.repos.add(repo)
        base.fill_sack(load_system_repo=False)
        base.install_specs(words)
        base.resolve()
        print(f"{time.time() - started:.2f} {len(base._goal.list_installs())}")
        base.close()
"#;

fn main() {
    let directory = made();
    let words: Vec<_> = (0..40)
        .map(|number| format!("package-{}", PACKAGES - 1 - number * 7))
        .collect();
    let cache = directory.join("cache");
    _ = fs::remove_dir_all(&cache);
    let request = json!({
        "api_version": 2, "command": "depsolve", "arch": "x86_64", "releasever": "1", "cachedir": cache,
        "arguments": {
            "repos": [{"id": "r", "baseurl": [url(&directory)]}],
            "transactions": [{"package-specs": words, "install_weak_deps": true}],
        },
    });
    let (took, memory, count) = measure(&request);
    println!(
        "from XML    {:>6.2} s  {memory:>4} MiB  {count} packages",
        took.as_secs_f64()
    );
    for _ in 0..RUNS {
        let (took, memory, count) = measure(&request);
        println!(
            "from cache  {:>6.2} s  {memory:>4} MiB  {count} packages",
            took.as_secs_f64()
        );
    }
    let dnf = Command::new("/usr/bin/python3")
        .args(["-c", DNF, &url(&directory)])
        .args(&words)
        .output();
    let said = dnf
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    for (line, what) in said.lines().zip(["from XML", "from cache"]) {
        println!("dnf {what}: {line} packages");
    }
}

fn url(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

/// The repository, made when it is not there.
fn made() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/distribution");
    if !directory.join("repodata/repomd.xml").exists() {
        let packages = (0..PACKAGES).map(package);
        let repository = Repository {
            packing: 2,
            ..Repository::new(packages)
        };
        repository.write(&directory);
    }
    fs::canonicalize(directory).unwrap()
}

/// Packages need some of those before them, as in distributions: many need a few, and some need their neighbours.
fn package(number: usize) -> Package {
    let mut package = Package::new(
        &format!("package-{number}"),
        &format!("{}.{}", number % 9, number % 31),
    );
    package.arch = if number.is_multiple_of(3) {
        "noarch"
    } else {
        "x86_64"
    }
    .to_owned();
    for provided in 0..4 {
        package = package.with("provides", &format!("lib{number}.so.{provided}()(64bit)"));
    }
    for (step, needed) in [
        number / 2,
        number / 3,
        number / 5,
        number.saturating_sub(1),
        number % 50,
    ]
    .into_iter()
    .enumerate()
    {
        if needed < number && (step != 3 || number.is_multiple_of(4)) {
            package = package.with("requires", &format!("lib{needed}.so.{}()(64bit)", step % 4));
        }
    }
    package = package.with("recommends", &format!("package-{}", number / 7));
    package.files = (0..3)
        .map(|file| format!("/usr/bin/program-{number}-{file}"))
        .collect();
    package.other_files = (0..12)
        .map(|file| format!("/usr/share/doc/package-{number}/file-{file}"))
        .collect();
    package
}

/// Time, the most memory of the process that reads and solves, and how many packages there are.
fn measure(request: &Value) -> (Duration, u64, usize) {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_osbuild-wasm-solver"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(request.to_string().as_bytes())
        .unwrap();
    let id = child.id();
    let watch = thread::spawn(move || watch(id));
    let output = child.wait_with_output().unwrap();
    let took = started.elapsed();
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = reply["transactions"][0].as_array().map_or(0, Vec::len);
    (took, watch.join().unwrap(), count)
}

/// The most memory that a child of a process has had, in MiB.
fn watch(process: u32) -> u64 {
    let mut most = 0;
    while let Ok(children) = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
    {
        let status =
            fs::read_to_string(format!("/proc/{}/status", children.trim())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(peak.unwrap_or_default());
        thread::sleep(Duration::from_millis(2));
    }
    most >> 10
}
