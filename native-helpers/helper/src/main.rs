//! `osbuild-wasm-helper INTERFACE --scope DIR...`: native code behind one interface of `osbuild:stage`.
//!
//! Started by the runtime with its control socket as standard input; see `osbuild-wasm-protocol` for what is spoken there. It trusts
//! nothing that it reads: host paths must lie in its scopes, contract paths in what the grant of the session names.
#![forbid(unsafe_code)]

mod access;
mod command;
mod crypt;
mod ddi;
mod device;
mod failure;
mod grub;
mod hint;
mod loopback;
mod lvm;
mod mapper;
mod mount;
mod network;
mod privilege;
mod process;
mod programs;
mod qemu_img;
mod rpm;
mod runner;
mod sandbox;
mod scope;
mod seccomp;
mod server;
mod session;
mod shell;
mod tool;
mod tree;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use osbuild_wasm_protocol::{Connection, ErrorCode, Failure, Hello, Interface, Reply, VERSION};

use crate::failure::About;
use crate::scope::Scopes;

fn main() -> ExitCode {
    let Some(control) = control_socket() else {
        return ExitCode::from(2);
    };
    let started = start();
    let hello = started
        .as_ref()
        .map(|(interface, _)| Hello {
            version: VERSION,
            interface: *interface,
        })
        .map_err(Clone::clone);
    if control.send(&Reply::from(hello), &[]).is_err() {
        return ExitCode::FAILURE;
    }
    match started {
        Ok((interface, scopes)) => server::serve(&control, interface, scopes),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Standard input, as a descriptor that no tool inherits; none when it is no socket (somebody typed the name of this program).
fn control_socket() -> Option<Connection> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3).ok()?;
    let is_socket = rustix::net::sockopt::socket_type(&stdin).is_ok();
    let null = std::fs::File::open("/dev/null").ok()?;
    rustix::stdio::dup2_stdin(null).ok()?;
    is_socket.then(|| UnixStream::from(stdin).into())
}

/// Reads the command line, opens the scopes, and gives up what the interface does not need.
fn start() -> Result<(Interface, Scopes), Failure> {
    let (interface, scopes) = arguments(std::env::args().skip(1))?;
    osbuild_wasm_sys::spawn::keep_from_children().about("/proc/self/fd", "close descriptors")?;
    let scopes = Scopes::open(&scopes)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    privilege::keep_for(interface)?;
    seccomp::confine(interface)?;
    Ok((interface, scopes))
}

fn arguments(
    mut words: impl Iterator<Item = String>,
) -> Result<(Interface, Vec<PathBuf>), Failure> {
    let usage = |what: &str| {
        Failure::new(
            ErrorCode::Invalid,
            what,
            "usage: osbuild-wasm-helper INTERFACE --scope DIR...",
        )
    };
    let interface = words.next().ok_or_else(|| usage(""))?.parse()?;
    let mut scopes = Vec::new();
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--scope", Some(directory)) => scopes.push(PathBuf::from(directory)),
            _ => return Err(usage(&word)),
        }
    }
    Ok((interface, scopes))
}
