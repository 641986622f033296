//! Programs that call `osbuild` (image-builder, osbuild-composer's worker) do not notice that it is another one: the manifest on standard
//! input, a JSON sequence on descriptor 3, the result on standard output.
#![allow(clippy::disallowed_methods, reason = "tests make their own files")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by it, helpers of tests included"
)]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A call as image-builder makes it.
struct Call {
    directory: TempDir,
    child: Child,
    monitor: JoinHandle<Vec<Value>>,
}

impl Call {
    /// Starts `osbuild --export tree ... -` with descriptor 3 as the monitor's.
    fn start(manifest: &Value) -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| directory.path().join(name);
        let program = path("osbuild");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_osbuild-wasm"), &program).unwrap();
        let pipe = path("monitor");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = pipe.clone();
        let monitor = std::thread::spawn(move || records(&reader));
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3>"$MONITOR""#])
            .arg(&program)
            .arg("--store")
            .arg(path("store"))
            .arg("--output-directory")
            .arg(path("out"))
            .args([
                "--export",
                "tree",
                "--json",
                "--monitor=JSONSeqMonitor",
                "--monitor-fd=3",
                "-",
            ])
            .env("MONITOR", pipe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(manifest.to_string().as_bytes()).unwrap();
        Self {
            directory,
            child,
            monitor,
        }
    }

    /// Waits for it to connect.
    fn connection(&mut self, server: &TcpListener) -> TcpStream {
        server.set_nonblocking(true).unwrap();
        loop {
            if let Ok((connection, _)) = server.accept() {
                return connection;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end: the output and the records.
    fn end(self) -> (Output, Vec<Value>, TempDir) {
        let output = self.child.wait_with_output().unwrap();
        (output, self.monitor.join().unwrap(), self.directory)
    }
}

/// The records of a JSON sequence (RFC 7464).
fn records(pipe: &PathBuf) -> Vec<Value> {
    let mut text = String::new();
    std::fs::File::open(pipe)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let records = text.split_terminator('\n').map(|line| {
        let record = line
            .strip_prefix('\u{1e}')
            .unwrap_or_else(|| panic!("no record separator: {line:?}"));
        serde_json::from_str(record).unwrap_or_else(|error| panic!("{error}: {record}"))
    });
    records.collect()
}

fn messages(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .filter_map(|record| record["message"].as_str())
        .map(str::trim_end)
        .collect()
}

fn hello() -> Value {
    let input =
        json!({"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [HELLO]});
    json!({
        "version": "2",
        "pipelines": [{"name": "tree", "stages": [
            {"type": "org.osbuild.mkdir", "options": {"paths": [{"path": "/a"}]}},
            {"type": "org.osbuild.copy", "inputs": {"f": input},
             "options": {"paths": [{"from": format!("input://f/{HELLO}"), "to": "tree:///a/hello"}]}},
        ]}],
        "sources": {"org.osbuild.inline": {"items": {HELLO: {"encoding": "base64", "data": "aGVsbG8="}}}},
    })
}

/// A manifest whose only source never answers.
fn endless(server: &TcpListener) -> Value {
    let url = format!("http://{}/", server.local_addr().unwrap());
    let mut manifest = hello();
    manifest["sources"] = json!({"org.osbuild.curl": {"items": {HELLO: {"url": url}}}});
    manifest
}

#[test]
fn a_build_reports_progress_and_result_as_osbuild_does() {
    let (output, records, directory) = Call::start(&hello()).end();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["type"], &result["success"]),
        (&json!("result"), &json!(true))
    );
    assert_eq!(result["log"]["tree"].as_array().map(Vec::len), Some(2));
    assert_eq!(read(directory.path(), "out/tree/a/hello"), "hello");
    let expected = [
        "starting -",
        "Starting pipeline source org.osbuild.inline",
        "Finished module source org.osbuild.inline",
        "Finished pipeline org.osbuild.inline",
        "Starting pipeline tree",
        "Starting module org.osbuild.mkdir",
        "Finished module org.osbuild.mkdir",
        "Starting module org.osbuild.copy",
        "Finished module org.osbuild.copy",
        "Finished pipeline tree",
        "manifest - finished successfully",
    ];
    let told = messages(&records);
    let told: Vec<_> = told
        .into_iter()
        .filter(|message| expected.contains(message))
        .collect();
    assert_eq!(told, expected);
    for record in &records {
        assert!(
            record["timestamp"].is_f64() && record["context"]["id"].is_string(),
            "{record}"
        );
        assert_eq!(
            (&record["progress"]["name"], &record["progress"]["total"]),
            (&json!("pipelines/sources"), &json!(2))
        );
    }
    let finished = records
        .iter()
        .find(|record| record["message"] == "Finished module org.osbuild.copy")
        .unwrap();
    assert_eq!(
        (&finished["result"]["name"], &finished["result"]["success"]),
        (&json!("org.osbuild.copy"), &json!(true))
    );
}

#[test]
fn a_failed_build_ends_the_sequence_and_says_why() {
    let mut manifest = hello();
    manifest["pipelines"][0]["stages"][0] =
        json!({"type": "org.osbuild.error", "options": {"returncode": 3}});
    let (output, records, directory) = Call::start(&manifest).end();
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["error"]["type"], "org.osbuild.error.stage");
    assert_eq!(
        result["error"]["details"]["stage"]["type"],
        "org.osbuild.error"
    );
    assert_eq!(messages(&records).last(), Some(&"manifest - failed"));
    assert!(!directory.path().join("out/tree").exists());
}

#[test]
fn a_cancelled_build_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut call = Call::start(&endless(&server));
        // Keeps the connection open and says nothing.
        let connection = call.connection(&server);
        kill_process(Pid::from_child(&call.child), signal).unwrap();
        let sent = Instant::now();
        let (output, records, directory) = call.end();
        let took = sent.elapsed();
        drop(connection);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{signal:?}: {shown}");
        assert!(
            took < Duration::from_secs(3),
            "{signal:?}: it took {took:?}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "\nAborted\n");
        assert_eq!(messages(&records).first(), Some(&"starting -"));
        assert!(!directory.path().join("out/tree").exists());
    }
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap()
}
