//! Sources and inputs that other tools fill, from a server on this machine to a finished tree.
mod bootable;
mod containers;
mod lines;
mod lookups;
mod ostree;
mod podman;
mod readers;
pub(crate) mod resolved;

use osbuild_wasm_tests::{Program, Scratch, program::Ended};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on a port of its own, ended when dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts what `command` makes for a free port, and waits until it listens.
    pub(crate) fn start(command: impl FnOnce(u16) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.unwrap().port();
        let mut command = command(port);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self {
            process: process.unwrap(),
            port,
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{command:?} does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Runs a tool that prepares something.
fn tool(program: &str, arguments: &str) -> String {
    let ended = Program::of(program, arguments).run().expect(0);
    ended.stdout.trim().to_owned()
}

/// Builds one pipeline of the document and exports it to `out/NAME`.
fn build(scratch: &Scratch, document: &Value, pipeline: &str) -> Ended {
    Program::new("run --export")
        .arg(pipeline)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", document))
        .limit(Duration::from_secs(120))
        .run()
        .expect(0)
}
