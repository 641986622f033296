//! `osbuild-wasm-helper INTERFACE CHARTER`: native code behind one interface of `osbuild:stage`.
//!
//! Started by the runtime with its control socket as standard input; see `osbuild-wasm-protocol` for what is spoken there. It trusts
//! nothing that it reads: a grant must lie in its charter, what its descriptors lead to in its scopes, and files and contract paths of
//! calls in what the grant of the session names.
#![cfg_attr(not(fuzzing), forbid(unsafe_code))]
#![cfg_attr(fuzzing, no_main)]

mod access;
mod cgroup;
mod command;
mod crypt;
mod ddi;
mod device;
mod environment;
mod failure;
mod first_process;
mod grub;
mod hint;
mod loopback;
mod lvm;
mod machine;
mod mapper;
mod mount;
mod network;
mod places;
mod privilege;
mod process;
mod processes;
mod programs;
mod qemu_img;
mod quota;
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
mod watch;

/// `tools/fuzz native-helpers/helper protocol` compiles this file with another entry.
#[cfg(fuzzing)]
#[path = "../fuzz/fuzz_targets/protocol.rs"]
mod fuzz;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use osbuild_wasm_protocol::{
    Charter, Connection, Failure, FirstSteps, Hello, Interface, Reply, VERSION,
};

use crate::failure::About;
use crate::scope::{Bounds, Scopes};

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    if word == privilege::HOLD {
        // Until who started it has what it wants.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return ExitCode::SUCCESS;
    }
    if word == FirstSteps::WORD {
        return first_process::run();
    }
    let Some(control) = control_socket() else {
        return ExitCode::from(2);
    };
    if word == sandbox::first::COMMAND {
        sandbox::first::serve(&control);
        return ExitCode::SUCCESS;
    }
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
        Ok((interface, bounds)) => server::serve(&control, interface, bounds),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Standard input, as a descriptor that no tool inherits; none when it is no socket (a person typed the name of this program).
fn control_socket() -> Option<Connection> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3).ok()?;
    let is_socket = rustix::net::sockopt::socket_type(&stdin).is_ok();
    let null = std::fs::File::open("/dev/null").ok()?;
    rustix::stdio::dup2_stdin(null).ok()?;
    is_socket.then(|| UnixStream::from(stdin).into())
}

/// Reads the command line, opens the scopes, and gives up what the interface does not need.
fn start() -> Result<(Interface, Bounds), Failure> {
    let mut words = std::env::args_os().skip(1);
    let interface = words.next().unwrap_or_default();
    let interface: Interface = interface.to_string_lossy().parse()?;
    let charter = Charter::parse(words)?;
    osbuild_wasm_sys::spawn::keep_from_children().about("/proc/self/fd", "close descriptors")?;
    let scopes = Scopes::find(&charter.scopes)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    privilege::keep_for(interface)?;
    seccomp::confine(interface)?;
    Ok((interface, Bounds { scopes, charter }))
}
