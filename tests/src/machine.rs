//! What this machine has, and what a run left on it.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Whether the test can run here: this process is root and all programs are there. Otherwise says so, and where `CI` is set fails.
#[track_caller]
pub fn offers(programs: &[&str]) -> bool {
    let root = rustix::process::geteuid().is_root();
    let missing = programs.iter().copied().filter(|name| !has(name));
    let missing: Vec<_> = missing.chain((!root).then_some("root")).collect();
    if missing.is_empty() {
        return true;
    }
    let message = format!("skipped: needs {}", missing.join(", "));
    assert!(std::env::var_os("CI").is_none(), "{message}");
    eprintln!("{message}");
    false
}

fn has(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

/// Waits until nothing on the machine is left of runs below `directory`: no process, no mount in any namespace, no loop device.
#[track_caller]
pub fn assert_nothing_left(directory: &Path) {
    let started = Instant::now();
    loop {
        let left = left_of(directory);
        if left.is_empty() {
            return;
        }
        // The kernel finishes with a killed process and its mounts a little later.
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "left behind: {left:#?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn left_of(directory: &Path) -> Vec<String> {
    let name = directory.to_string_lossy();
    let mut left = loops_of(&name);
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    for process in entries("/proc") {
        let text = |file: &str| fs::read(process.join(file)).unwrap_or_default();
        let contains = |file: &str| String::from_utf8_lossy(&text(file)).contains(&*name);
        if contains("mountinfo") {
            left.push(format!("{}: has a mount of it", process.display()));
        }
        if process != own && contains("cmdline") {
            left.push(format!("{}: runs on it", process.display()));
        }
    }
    left
}

fn loops_of(name: &str) -> Vec<String> {
    entries("/sys/block")
        .into_iter()
        .filter_map(|device| {
            let backing = fs::read_to_string(device.join("loop/backing_file")).ok()?;
            backing
                .contains(name)
                .then(|| format!("{}: {}", device.display(), backing.trim()))
        })
        .collect()
}

fn entries(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
