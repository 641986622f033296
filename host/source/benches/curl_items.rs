//! Downloads as a manifest of a distribution has them, against one `curl --parallel` process.
//!
//! `cargo bench -p osbuild-wasm-source` serves items from a process of its own on this machine and prints, for many
//! small items and for a few large ones, the time of both and the most memory that ours took.
#![allow(clippy::disallowed_methods, reason = "tests make their own files")]
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "its purpose is a table")]
#![allow(clippy::unwrap_used, reason = "a bench may end at the first surprise")]

use osbuild_wasm_events::{Event, Observer};
use osbuild_wasm_manifest::json::{Value, parse};
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_source::{Allowance, Environment, FetchContext, fetch};
use osbuild_wasm_store::Store;
use sha2::Digest;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Tells the process that it is to be the server.
const SERVE: &str = "serve-items";

/// Rounds of each measurement; the best counts, since the others tell of the machine.
const ROUNDS: usize = 3;

/// Number of items, bytes of each.
const SETS: [(usize, usize); 2] = [(5000, 10 * 1024), (4, 200 * 1024 * 1024)];

fn main() {
    if std::env::args().nth(1).as_deref() == Some(SERVE) {
        return serve();
    }
    let server = Server::start();
    for (count, size) in SETS {
        let (mut ours, mut curls) = (Duration::MAX, Duration::MAX);
        let source = source(&server.url, count, size);
        // Kept until all rounds are over: ext4 is slow to give out the numbers of inodes that were freed a moment ago.
        let directories = tempfile::tempdir().unwrap();
        for round in 0..ROUNDS {
            let directory = |name: &str| {
                let directory = directories.path().join(format!("{name}-{round}"));
                std::fs::create_dir(&directory).unwrap();
                directory
            };
            curls = curls.min(with_curl(&server.url, count, size, &directory("curl")));
            ours = ours.min(with_source(&source, &directory("source")));
        }
        println!(
            "{count} items of {} KiB: source {:.2} s, curl --parallel {:.2} s, ratio {:.2}, most memory so far {} MiB",
            size / 1024,
            ours.as_secs_f64(),
            curls.as_secs_f64(),
            ours.as_secs_f64() / curls.as_secs_f64(),
            peak_memory() / 1024
        );
    }
}

/// Content comes in pieces that all begin with the number of the item.
const PIECE: usize = 10 * 1024;

fn piece(index: usize) -> Vec<u8> {
    let mut piece = vec![b'.'; PIECE];
    piece[..8].copy_from_slice(&(index as u64).to_le_bytes());
    piece
}

fn source(url: &str, count: usize, size: usize) -> Source {
    let item = |index| {
        let (mut hasher, piece) = (sha2::Sha256::new(), piece(index));
        (0..size / PIECE).for_each(|_| hasher.update(&piece));
        let digest = hex::encode(hasher.finalize());
        format!("\"sha256:{digest}\": \"{url}/{size}/{index}\"")
    };
    let items = (0..count).map(item).collect::<Vec<_>>().join(",");
    Source {
        module: "org.osbuild.curl".to_owned(),
        items: parse(format!("{{{items}}}").as_bytes()).unwrap(),
        options: Value::object(),
        id: "id".to_owned(),
    }
}

struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}

fn with_source(source: &Source, directory: &Path) -> Duration {
    let store = Store::open(directory).unwrap();
    let environment = Environment::default();
    let context = FetchContext {
        store: &store,
        observer: &Silent,
        cancel: &AtomicBool::new(false),
        logins: osbuild_wasm_source::Logins::none(),
        environment: &environment,
        host_root: Path::new("/"),
        allowance: Allowance::EVERYTHING,
        deadline: None,
    };
    settle(directory);
    let started = Instant::now();
    let outcome = fetch(source, &context);
    let duration = started.elapsed();
    assert!(outcome.success, "{}", outcome.output);
    duration
}

fn with_curl(url: &str, count: usize, size: usize, directory: &Path) -> Duration {
    let entry = |index| {
        let file = directory.join(format!("file-{index}"));
        format!("url = {url}/{size}/{index}\noutput = {file:?}\n")
    };
    let config = directory.join("config");
    std::fs::write(&config, (0..count).map(entry).collect::<String>()).unwrap();
    settle(directory);
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--fail", "--parallel", "--config"])
        .arg(&config)
        .stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap();
    let duration = started.elapsed();
    assert!(status.success(), "{status}");
    duration
}

/// Waits until nothing of earlier rounds is left to be written.
fn settle(directory: &Path) {
    rustix::fs::syncfs(std::fs::File::open(directory).unwrap()).unwrap();
}

/// The most memory this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVE)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Self {
            child,
            url: format!("http://127.0.0.1:{}", port.trim()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(&stream));
    }
}

/// Answers requests for `/SIZE/INDEX` until the other side has had enough.
fn answer(mut stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let mut parts = request.split(' ').nth(1)?.split('/').skip(1);
        let size: usize = parts.next()?.parse().ok()?;
        let index = parts.next()?.parse().ok()?;
        let piece = piece(index);
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        answer.extend(&piece);
        stream.write_all(&answer).ok()?;
        for _ in 1..size / PIECE {
            stream.write_all(&piece).ok()?;
        }
    }
}
