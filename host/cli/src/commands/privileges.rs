//! `osbuild-wasm doctor --privileges`: what each process of a run may do to the machine, as the kernel says it while the run waits.
use crate::command_error::{CommandError, Exit, Result};
use crate::print::{say, table_text};
use caps::Capability;
use comfy_table::{ContentArrangement, Table, presets};
use osbuild_wasm_files::{WorkDirectory, write_file};
use osbuild_wasm_report::Diagnostic;
use serde::Serialize;
use std::env::temp_dir;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A run of one stage, in whose sandbox a shell waits.
const MANIFEST: &str = r#"{"version": "2", "pipelines": [{"name": "probe", "stages": [{"type": "org.osbuild.mkdir", "options": {"paths": [{"path": "/probe"}]}}]}]}"#;

/// How long the run may take until its shell is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Columns of the table, whatever the terminal has: long lists of capabilities are wrapped.
const WIDTH: u16 = 140;

/// What the kernel says of one process.
#[derive(Debug, Serialize)]
struct Process {
    /// What it is in a run.
    role: String,
    pid: u32,
    /// `machine`, or the ids of its user namespace: inside, outside, count.
    user_namespace: String,
    /// Capabilities that it has, in its user namespace.
    capabilities: Vec<String>,
    no_new_privs: bool,
    /// Filters of system calls.
    seccomp_filters: u32,
    control_groups: Vec<String>,
    /// Whether its mounts are its own.
    own_mounts: bool,
    mounts: usize,
    /// Mounts that it could write to.
    writable_mounts: Vec<String>,
}

pub(super) fn privileges(json: bool) -> Result {
    let processes = probe().map_err(|error| {
        let diagnostic = Diagnostic::new("cannot look at the processes of a run")
            .cause(error.to_string())
            .hint("osbuild-wasm doctor says what is missing; /bin/bash must be there");
        CommandError::failed(diagnostic)
    })?;
    if json {
        outln!("{}", serde_json::json!(processes));
    } else {
        show(&processes);
    }
    Ok(Exit::Done)
}

/// Starts a run, looks at its processes while its shell waits, and ends it.
fn probe() -> io::Result<Vec<Process>> {
    let directory = WorkDirectory::new(&temp_dir(), "osbuild-wasm-doctor")?;
    write_file(&directory.path().join("manifest.json"), MANIFEST.as_bytes())?;
    let mut run = start(directory.path())?;
    let seen = wait(&mut run).map(|shell| look(run.id(), shell));
    // The end of its input ends the shell, and a shell that ends without a word lets the run go on.
    drop(run.stdin.take());
    run.wait()?;
    seen?
}

fn start(directory: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("run")
        .arg(directory.join("manifest.json"))
        .args(["--break=*", "--export", "probe", "--quiet"])
        .arg("--store")
        .arg(directory.join("store"))
        .arg("--output-directory")
        .arg(directory.join("output"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The number of the shell, once it is there and the process that started it waits for it.
fn wait(run: &mut Child) -> io::Result<u32> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if run.try_wait()?.is_some() {
            break;
        }
        let shell = descendants(run.id())
            .into_iter()
            .find(|pid| stat(*pid).is_some_and(|(name, _, _)| name == "bash"));
        std::thread::sleep(Duration::from_millis(20));
        let parent = shell.and_then(stat).and_then(|(_, _, parent)| stat(parent));
        if let (Some(shell), Some((_, 'S', _))) = (shell, parent) {
            return Ok(shell);
        }
    }
    Err(io::Error::other("the run had no shell"))
}

/// Name, state and parent of a process, of /proc/PID/stat.
fn stat(pid: u32) -> Option<(String, char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut words = tail.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((name.to_owned(), state, words.next()?.parse().ok()?))
}

/// All processes that one has started, and those that these have.
fn descendants(of: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    let below = children.iter().flat_map(|child| descendants(*child));
    children
        .iter()
        .copied()
        .chain(below.collect::<Vec<_>>())
        .collect()
}

fn look(run: u32, shell: u32) -> io::Result<Vec<Process>> {
    let mut pids = vec![run];
    pids.extend(descendants(run));
    pids.into_iter()
        .filter(|pid| Path::new("/proc").join(pid.to_string()).exists())
        .map(|pid| Process::read(pid, run, shell))
        .collect()
}

impl Process {
    fn read(pid: u32, run: u32, shell: u32) -> io::Result<Self> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let read = |name: &str| std::fs::read_to_string(directory.join(name));
        let status = read("status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let mounts = read("mountinfo")?;
        let groups = read("cgroup")?;
        Ok(Self {
            role: role(pid, run, shell),
            pid,
            user_namespace: user_namespace(&directory)?,
            capabilities: capabilities(&field("CapEff:")),
            no_new_privs: field("NoNewPrivs:") == "1",
            seccomp_filters: field("Seccomp_filters:").parse().unwrap_or_default(),
            control_groups: groups.lines().map(ToOwned::to_owned).collect(),
            own_mounts: is_own(&directory, "mnt")?,
            mounts: mounts.lines().count(),
            writable_mounts: mounts.lines().filter_map(writable).collect(),
        })
    }
}

fn role(pid: u32, run: u32, shell: u32) -> String {
    if pid == run {
        return "runtime, components in it".into();
    }
    if pid == shell {
        return "program".into();
    }
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = words.split(|byte| *byte == 0).skip(1);
    match words.next().map(String::from_utf8_lossy).as_deref() {
        Some("sandbox") => "first process of the program's sandbox".into(),
        Some(interface) => format!("helper {interface}"),
        None => "?".into(),
    }
}

/// Whether a namespace is another one than ours.
fn is_own(directory: &Path, name: &str) -> io::Result<bool> {
    let number = |directory: &Path| {
        let metadata = std::fs::metadata(directory.join("ns").join(name));
        metadata.map(|metadata| metadata.ino())
    };
    Ok(number(directory)? != number(Path::new("/proc/self"))?)
}

fn user_namespace(directory: &Path) -> io::Result<String> {
    let map = std::fs::read_to_string(directory.join("uid_map"))?;
    let map: Vec<_> = map
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    Ok(match is_own(directory, "user")? {
        false => "machine".into(),
        true => format!("its own: {}", map.join(", ")),
    })
}

fn capabilities(bits: &str) -> Vec<String> {
    let bits = u64::from_str_radix(bits, 16).unwrap_or_default();
    let mut names: Vec<_> = caps::all()
        .into_iter()
        .filter(|capability: &Capability| bits & capability.bitmask() != 0)
        .map(|capability| capability.to_string())
        .collect();
    names.sort();
    names
}

/// Mount point of a mount that is not read-only.
fn writable(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (point, options) = (words.nth(4)?, words.next()?);
    options
        .split(',')
        .any(|option| option == "rw")
        .then(|| point.to_owned())
}

fn show(processes: &[Process]) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header([
            "process",
            "user namespace",
            "capabilities there",
            "no new privileges",
            "filters of calls",
            "mounts (writable)",
        ]);
    for process in processes {
        let short = |name: &String| name.trim_start_matches("CAP_").to_lowercase();
        let names: Vec<_> = process.capabilities.iter().map(short).collect();
        let yes = |is: bool| if is { "yes" } else { "no" };
        table.add_row([
            &process.role,
            &process.user_namespace,
            &match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(" "),
            },
            yes(process.no_new_privs),
            &process.seccomp_filters.to_string(),
            &format!("{} ({})", process.mounts, process.writable_mounts.len()),
        ]);
    }
    say(&table_text(&table));
    outln!(
        "\nCapabilities in a user namespace of its own reach no file system, device or setting of the machine. --json has control groups and\nmount points too."
    );
}
