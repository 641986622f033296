//! `osbuild:stage/command`: programs that the module's metadata names.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Bind, Bytes, Failure, Input, Outcome, Output, Root, Run};
use rustix::fs::{FileType, OFlags};

use crate::access::{Access, Need, TREE};
use crate::device;
use crate::failure::{About, denied, invalid};
use crate::sandbox::{self, Shown};
use crate::seccomp::memory_file;
use crate::session::Session;
use crate::tool::{Sink, Tool};

/// Runs a program; a status other than 0 is no failure. `files` are those of its input and output, in this order.
pub fn run(session: &mut Session, run: &Run, files: Vec<OwnedFd>) -> Result<Outcome, Failure> {
    let access = &session.access;
    if !access.grant.programs.contains(&run.program) {
        let detail = "the module's metadata does not name this program: add it to `programs` there";
        return Err(denied(&run.program, detail));
    }
    if run.arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid(&run.program, "an argument contains a zero byte"));
    }
    let mut files = files.into_iter();
    let tool = Tool {
        root: run.root,
        environment: run.environment.clone(),
        directory: working_directory(run.directory.as_deref())?,
        input: input(access, &run.input, &mut files)?,
        output: output(access, &run.output, &mut files)?,
        shown: shown(access, run.root, &run.binds)?,
        ..Tool::new(&run.program, &run.arguments)
    };
    let finished = session.run(tool)?;
    Ok(Outcome {
        status: finished.status,
        output: Bytes(finished.output),
    })
}

fn working_directory(directory: Option<&str>) -> Result<PathBuf, Failure> {
    match directory {
        None => Ok(PathBuf::from("/")),
        Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(PathBuf::from(path)),
        Some(path) => Err(invalid(
            path,
            "the working directory must be an absolute path",
        )),
    }
}

type Files = std::vec::IntoIter<OwnedFd>;

fn input(access: &Access, input: &Input, files: &mut Files) -> Result<Option<OwnedFd>, Failure> {
    match input {
        Input::None => Ok(None),
        Input::Bytes(Bytes(bytes)) => memory_file("input", bytes).map(Some),
        Input::File(path) => {
            let file = stream(access, files, path, Need::Read)?;
            sandbox::reading(&file, path).map(Some)
        }
    }
}

fn output(access: &Access, output: &Output, files: &mut Files) -> Result<Sink, Failure> {
    Ok(match output {
        Output::Log => Sink::Log,
        Output::Capture => Sink::Capture,
        Output::Discard => Sink::Discard,
        Output::File(path) => Sink::File(stream(access, files, path, Need::Write)?.into()),
    })
}

/// The next file that came with the call. Only regular ones: a fifo or device would block or lead elsewhere.
fn stream(access: &Access, files: &mut Files, path: &str, need: Need) -> Result<OwnedFd, Failure> {
    let missing = || invalid(path, "this file did not come with the call");
    let file = files.next().ok_or_else(missing)?;
    access.holds(&file, path, need)?;
    let stat = rustix::fs::fstat(&file).about(path, "look at this file")?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(invalid(path, "this is no regular file")),
    }
}

fn shown(access: &Access, root: Root, binds: &[Bind]) -> Result<Vec<Shown>, Failure> {
    let mut all = Vec::new();
    for bind in binds {
        match root {
            Root::BuildRoot => all.extend(in_build_root(access, bind)?),
            Root::Tree => all.push(in_tree_root(access, bind)?),
        }
    }
    Ok(all)
}

/// Both paths are contract paths; as source, what the sandbox has at its top is there for programs that chroot.
fn in_build_root(access: &Access, bind: &Bind) -> Result<Vec<Shown>, Failure> {
    let target = match access.locate(&bind.target) {
        Ok(_) => access.sandbox_path(&bind.target, Need::Read)?,
        Err(_) => sandbox::private_target(&bind.target)?,
    };
    match (bind.source.as_str(), bind.read_only) {
        ("/dev", false) => dev(access, target),
        ("/proc", false) => Ok(vec![Shown::Proc(target)]),
        ("/run", false) => run_directory(access, target),
        ("/sys", true) => Ok(vec![Shown::Sys(target)]),
        ("/tmp", false) => Ok(vec![Shown::Memory(target, 0o1777)]),
        ("/var", false) => Ok(vec![Shown::Var(target)]),
        ("/dev" | "/proc" | "/run" | "/tmp" | "/var", true) => Err(invalid(
            &bind.source,
            "this can be shown as it is only, not read-only",
        )),
        ("/sys", false) => Err(invalid(&bind.source, "this can be shown read-only only")),
        (source, _) => Ok(vec![host_path(access, source, bind, target)?]),
    }
}

/// A /dev with the devices that programs see.
fn dev(access: &Access, target: PathBuf) -> Result<Vec<Shown>, Failure> {
    let devices = device::of_programs(access)?.into_iter();
    let inside: Vec<_> = devices
        .filter_map(|(node, contract)| {
            let target = target.join(contract.strip_prefix("/dev").ok()?);
            Some(Shown::Device { node, target })
        })
        .collect();
    Ok([Shown::Dev(target)].into_iter().chain(inside).collect())
}

/// A /run with what programs see of the grant.
fn run_directory(access: &Access, target: PathBuf) -> Result<Vec<Shown>, Failure> {
    let parts = access.parts()?.into_iter();
    let inside: Vec<_> = parts
        .filter_map(|part| {
            Some(Shown::File {
                target: target.join(part.target.strip_prefix("/run").ok()?),
                file: part.file,
                read_only: !part.writable,
            })
        })
        .collect();
    let run = Shown::Memory(target, 0o755);
    Ok([run].into_iter().chain(inside).collect())
}

/// Both paths are paths inside the tree.
fn in_tree_root(access: &Access, bind: &Bind) -> Result<Shown, Failure> {
    let inside = |path: &str| format!("{TREE}/{}", path.trim_start_matches('/'));
    let target = access.sandbox_path(&inside(&bind.target), Need::Read)?;
    let target = Path::new("/").join(target.strip_prefix(TREE).unwrap_or(&target));
    if target == Path::new("/") {
        return Err(denied(&bind.target, "a bind cannot replace the root"));
    }
    host_path(access, &inside(&bind.source), bind, target)
}

fn host_path(
    access: &Access,
    source: &str,
    bind: &Bind,
    target: PathBuf,
) -> Result<Shown, Failure> {
    let need = if bind.read_only {
        Need::Read
    } else {
        Need::Write
    };
    let file = access.open(source, need, OFlags::PATH)?;
    access.permit_bind(source, &file, !bind.read_only)?;
    Ok(Shown::File {
        file,
        target,
        read_only: bind.read_only,
    })
}
