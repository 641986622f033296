//! The worker on this machine: the same program that works elsewhere, over the socket for workers.
use osbuild_wasm_files::companion_program;
use osbuild_wasm_sys::spawn::die_with_parent;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;
use tracing::warn;

/// The pause before a worker that ended is started again.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps a worker running until this process ends.
pub fn start(socket: &Path, base: &str, cache: &Path) {
    let (socket, base, cache) = (socket.to_owned(), base.to_owned(), cache.to_owned());
    // A thread of its own, which stays: the worker dies with the thread that started it.
    thread::spawn(move || {
        loop {
            match run(&socket, &base, &cache) {
                Ok(status) => warn!("the worker ended ({status}) and is started again"),
                Err(error) => warn!("the worker cannot be started: {error}"),
            }
            thread::sleep(PAUSE);
        }
    });
}

fn run(socket: &Path, base: &str, cache: &Path) -> io::Result<ExitStatus> {
    let program: PathBuf = companion_program("osbuild-wasm-worker");
    let mut command = Command::new(program);
    command
        .arg("--server")
        .arg(format!("unix:{}", socket.display()));
    command.arg("--base-path").arg(base);
    command.arg("--cache").arg(cache);
    die_with_parent(&mut command, pidfd_open(getpid(), PidfdFlags::empty())?);
    command.status()
}
