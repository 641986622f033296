//! The first process of a sandbox: sets it up, starts the program in it, and waits for that.
//!
//! It is this program again (`osbuild-wasm-helper sandbox`), process 1 of a process namespace: when it ends, for whatever reason, the
//! kernel ends everything in the sandbox. Its standard input is a socket on which it is told what to do and says how that ended.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use caps::Capability;
use osbuild_wasm_protocol::{Bytes, Connection, Failure, Reply};
use osbuild_wasm_sys::enter::{Confinement, confine};
use rustix::process::{Pid, Resource, WaitOptions, wait};

use super::assemble;
use super::spec::{Bounds, Position, Spec};
use crate::failure::{About, invalid};
use crate::seccomp::{Measured, Requests};
use crate::{hint, privilege, seccomp};

/// Word of the command line that stands for all this.
pub const COMMAND: &str = "sandbox";

/// Bytes of message queues, and signals that wait: what programs of user 0 have of them is taken from that of the machine's own.
const QUEUES: u64 = 128 << 10;
const SIGNALS: u64 = 1 << 10;

/// Descriptors of a process whose memory is measured: what the kernel keeps for one is more than what counts for it.
const DESCRIPTORS: u64 = 1 << 10;

/// Sets up what the socket says and answers with the program's exit status, 128 + N when signal N ended it. With status 0 comes what
/// the program mounted, if it was to mount something.
pub fn serve(control: &Connection) {
    let (ended, mounted) = match run(control) {
        Ok((status, mounted)) => (Ok(status), mounted),
        Err(failure) => (Err(failure), None),
    };
    let mounted: Vec<_> = mounted.iter().map(AsFd::as_fd).collect();
    let _ = control.send(&Reply::from(ended), &mounted);
}

fn run(control: &Connection) -> Result<(i32, Option<OwnedFd>), Failure> {
    let broken = |error: &dyn std::fmt::Display| invalid("sandbox", error.to_string());
    let received = control.receive::<Spec>().map_err(|error| broken(&error))?;
    let (spec, files) = received.ok_or_else(|| broken(&"nothing came"))?;
    assemble::enter(&spec, &files)?;
    let child = start(&spec, &files)?;
    drop(files);
    let mounts = spec.program.mounts.as_ref().map(text);
    // What is left to do needs no privilege but that to copy a mount.
    let kept = mounts.iter().map(|_| Capability::CAP_SYS_ADMIN);
    privilege::limit(&kept.collect())?;
    let status = status_of(child)?;
    let mounts = mounts.filter(|_| status == 0);
    let mounted = mounts.map(|path| assemble::mounted(Path::new(&path)));
    Ok((status, mounted.transpose()?))
}

fn start(spec: &Spec, files: &[OwnedFd]) -> Result<Pid, Failure> {
    let program = &spec.program;
    let file = |position: Position| {
        let file = files
            .get(position)
            .ok_or_else(|| invalid("sandbox", "a descriptor is missing"))?;
        file.try_clone().about("sandbox", "copy a descriptor")
    };
    let path = text(&program.path);
    let directory = text(&program.directory);
    rustix::process::chdir(Path::new(&directory)).about(&directory, "work in this directory")?;
    let mut command = Command::new(&path);
    command
        .args(program.arguments.iter().map(text))
        .env_clear()
        .envs(&program.environment);
    let [input, output, errors] = program.streams;
    command
        .stdin(Stdio::from(file(input)?))
        .stdout(Stdio::from(file(output)?))
        .stderr(Stdio::from(file(errors)?));
    let bounds = &spec.bounds;
    // Who has the privileges of the machine is beyond such limits.
    let measured = bounds.memory.is_some() && bounds.user_namespace.is_some();
    let limits = [
        (Resource::Fsize, bounds.file_size),
        (Resource::As, bounds.memory),
        (Resource::Core, Some(0)),
        (Resource::Nofile, measured.then_some(DESCRIPTORS)),
        (Resource::Msgqueue, Some(QUEUES)),
        (Resource::Sigpending, Some(SIGNALS)),
    ];
    let confinement = Confinement {
        user_namespace: bounds.user_namespace.map(file).transpose()?,
        capabilities: privilege::bits(&bounds.capabilities)?,
        filters: seccomp::of_programs(
            &bounds.capabilities,
            requests(bounds),
            Measured {
                written: bounds.file_size.is_some(),
                memory: measured,
            },
        )?,
        limits: limits
            .into_iter()
            .filter_map(|(resource, limit)| Some((resource, allowed(resource, limit?))))
            .collect(),
        terminal: program.terminal,
    };
    confine(&mut command, confinement);
    let started = command.spawn();
    let child = started.map_err(|error| hint::not_started(Path::new(&path), &error))?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| invalid("sandbox", "a process has no number"))
}

/// A limit, or what this process itself may have where that is less.
fn allowed(resource: Resource, limit: u64) -> u64 {
    let own = rustix::process::getrlimit(resource).maximum;
    own.map_or(limit, |own| own.min(limit))
}

fn requests(bounds: &Bounds) -> Requests {
    match bounds.user_namespace {
        None => Requests::OfMachine,
        Some(_) if bounds.virtualization => Requests::OfVirtualization,
        Some(_) => Requests::Usual,
    }
}

fn text(bytes: &Bytes) -> OsString {
    OsString::from_vec(bytes.0.clone())
}

/// Waits for the program, and meanwhile for all that lost their parents.
fn status_of(child: Pid) -> Result<i32, Failure> {
    loop {
        let ended = rustix::io::retry_on_intr(|| wait(WaitOptions::empty()));
        if let Some((pid, status)) = ended.about("sandbox", "wait for the program")?
            && pid == child
        {
            let status = ExitStatus::from_raw(status.as_raw());
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            return Ok(code.unwrap_or(-1));
        }
    }
}
