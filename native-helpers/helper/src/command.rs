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
        shown: all_shown(access, run.root, &run.binds)?,
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

/// What the binds show. A /dev for programs that chroot has the devices that programs see.
fn all_shown(access: &Access, root: Root, binds: &[Bind]) -> Result<Vec<Shown>, Failure> {
    let mut all = Vec::new();
    for bind in binds {
        let shown = shown(access, root, bind)?;
        let devices = match &shown {
            Shown::Dev(target) => devices_in(access, target)?,
            _ => Vec::new(),
        };
        all.push(shown);
        all.extend(devices);
    }
    Ok(all)
}

fn devices_in(access: &Access, dev: &Path) -> Result<Vec<Shown>, Failure> {
    let devices = device::of_programs(access)?.into_iter();
    let inside = devices.filter_map(|(node, contract)| {
        let target = dev.join(contract.strip_prefix("/dev").ok()?);
        Some(Shown::Device { node, target })
    });
    Ok(inside.collect())
}

fn shown(access: &Access, root: Root, bind: &Bind) -> Result<Shown, Failure> {
    match root {
        Root::BuildRoot => in_build_root(access, bind),
        Root::Tree => in_tree_root(access, bind),
    }
}

/// Both paths are contract paths; /dev, /proc and /sys as source are those of the sandbox, for programs that chroot.
fn in_build_root(access: &Access, bind: &Bind) -> Result<Shown, Failure> {
    let target = match access.locate(&bind.target) {
        Ok(_) => access.sandbox_path(&bind.target, Need::Read)?,
        Err(_) => sandbox::private_target(&bind.target)?,
    };
    match bind.source.as_str() {
        "/dev" if !bind.read_only => Ok(Shown::Dev(target)),
        "/proc" if !bind.read_only => Ok(Shown::Proc(target)),
        "/sys" if bind.read_only => Ok(Shown::Sys(target)),
        "/dev" | "/proc" => Err(invalid(
            &bind.source,
            "this can be shown as it is only, not read-only",
        )),
        "/sys" => Err(invalid(&bind.source, "this can be shown read-only only")),
        source => host_path(access, source, bind, target),
    }
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
