//! `osbuild:stage/command`: programs that the module's metadata names.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Bind, Bytes, Failure, Input, Outcome, Output, Root, Run};
use rustix::fs::{FileType, OFlags};

use crate::access::{Access, Need, TREE};
use crate::failure::{About, denied, invalid};
use crate::sandbox::{self, Shown};
use crate::seccomp::memory_file;
use crate::session::Session;
use crate::tool::{Sink, Tool};

/// Runs a program; a status other than 0 is no failure.
pub fn run(session: &mut Session, run: &Run) -> Result<Outcome, Failure> {
    let access = &session.access;
    if !access.grant.programs.contains(&run.program) {
        let detail = "the module's metadata does not name this program: add it to `programs` there";
        return Err(denied(&run.program, detail));
    }
    if run.arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid(&run.program, "an argument contains a zero byte"));
    }
    let tool = Tool {
        root: run.root,
        environment: run.environment.clone(),
        directory: working_directory(run.directory.as_deref())?,
        input: input(access, run)?,
        output: output(access, run)?,
        shown: run
            .binds
            .iter()
            .map(|bind| shown(access, run.root, bind))
            .collect::<Result<_, _>>()?,
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

fn input(access: &Access, run: &Run) -> Result<Option<OwnedFd>, Failure> {
    match &run.input {
        Input::None => Ok(None),
        Input::Bytes(Bytes(bytes)) => memory_file("input", bytes).map(Some),
        Input::File(path) => {
            let file = access.open(
                &in_tree(access, run.root, path),
                Need::Read,
                OFlags::RDONLY | OFlags::NONBLOCK,
            )?;
            regular(file, path).map(|file| Some(file.into()))
        }
    }
}

fn output(access: &Access, run: &Run) -> Result<Sink, Failure> {
    Ok(match &run.output {
        Output::Log => Sink::Log,
        Output::Capture => Sink::Capture,
        Output::Discard => Sink::Discard,
        Output::File(path) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK;
            let file = regular(
                access.open(&in_tree(access, run.root, path), Need::Write, flags)?,
                path,
            )?;
            file.set_len(0).about(path, "cut")?;
            Sink::File(file)
        }
    })
}

/// Only regular files: a fifo or device would block or lead elsewhere.
fn regular(file: OwnedFd, path: &str) -> Result<File, Failure> {
    let stat = rustix::fs::fstat(&file).about(path, "look at this file")?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(invalid(path, "this is no regular file"));
    }
    Ok(File::from(file))
}

/// The contract path of a path that a program in the tree may be given without the tree's prefix.
fn in_tree(access: &Access, root: Root, path: &str) -> String {
    if root == Root::BuildRoot || access.locate(path).is_ok() {
        path.to_owned()
    } else {
        format!("{TREE}{path}")
    }
}

fn shown(access: &Access, root: Root, bind: &Bind) -> Result<Shown, Failure> {
    match root {
        Root::BuildRoot => in_build_root(access, bind),
        Root::Tree => in_tree_root(access, bind),
    }
}

/// Both paths are contract paths; /dev, /proc and /sys as source are those of the sandbox, for programs that chroot into the tree.
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
    Ok(Shown::File {
        file: access.open(source, need, OFlags::PATH)?,
        target,
        read_only: bind.read_only,
    })
}
