//! What a runner does before the first tool of a stage: /etc and /var of the sandbox.
//!
//! A runner stands for some of the steps in [`Steps`]. A step whose program the build root lacks is left out.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use osbuild_wasm_protocol::{ErrorCode, Failure, Interface, Place, Steps};
use osbuild_wasm_sys::spawn::inherit;
use rustix::fs::{Dir, FlockOperation, Mode, OFlags, flock};

use crate::access::{Access, descriptor_path, open_inside};
use crate::failure::About;
use crate::process::{host_tool, run_on_host};
use crate::sandbox;
use crate::session::Session;
use crate::tool::{Errors, Tool};

/// The private directory of a stage, by the kernel's link to its descriptor.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// That of a session, which holds the descriptor.
    pub fn of(access: &Access) -> Result<Self, Failure> {
        let directory = access.file(access.grant.scratch)?;
        Ok(Self(descriptor_path(directory).into()))
    }

    /// The tools' /etc.
    pub fn etc(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// The tools' /var.
    pub fn var(&self) -> PathBuf {
        self.0.join("var")
    }

    /// What tools read as /proc/cmdline.
    pub fn command_line(&self) -> PathBuf {
        self.0.join("cmdline")
    }

    /// A new directory of this runner alone.
    pub fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        for number in 0_u32.. {
            let path = self.0.join(format!("{name}-{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.about(&path, "make a directory").map(|()| path),
            }
        }
        Err(Failure::new(ErrorCode::NoSpace, name, "no name is left"))
    }

    /// Temporary files of a helper.
    pub fn work(&self, interface: Interface) -> PathBuf {
        self.0.join(format!("work-{interface}"))
    }

    fn begun(&self) -> PathBuf {
        self.0.join("preparing")
    }

    fn done(&self) -> PathBuf {
        self.0.join("prepared")
    }

    /// Makes what every sandbox needs; nothing any more when a tool may have run already.
    pub fn skeleton(&self) -> Result<(), Failure> {
        if self.command_line().exists() {
            return Ok(());
        }
        for directory in [self.etc(), self.var(), self.var().join("tmp")] {
            fs::create_dir_all(&directory).about(&directory, "prepare the sandbox")?;
        }
        fs::set_permissions(self.var().join("tmp"), fs::Permissions::from_mode(0o1777))
            .about(self.var(), "prepare the sandbox")?;
        fs::write(self.command_line(), "root=/dev/osbuild\n")
            .about(self.command_line(), "prepare the sandbox")
    }
}

/// Prepares the session's scratch directory, once for the stage; quick when another stage has done it for the same build root.
pub fn prepare(session: &mut Session) -> Result<(), Failure> {
    if session.prepared {
        return Ok(());
    }
    let scratch = Scratch::of(&session.access)?;
    // Helpers of other interfaces may serve the same stage.
    let lock = fs::File::open(&scratch.0).about(&scratch.0, "open the scratch directory")?;
    flock(lock.as_fd(), FlockOperation::LockExclusive)
        .about(&scratch.0, "lock the scratch directory")?;
    if !scratch.done().exists() {
        begin(&scratch)?;
        scratch.skeleton()?;
        match kept(&session.access)? {
            Some(kept) => copy(session, kept, scratch_of(&session.access)?)?,
            None => from_scratch(session, &scratch)?,
        }
        fs::write(scratch.done(), "").about(scratch.done(), "prepare the sandbox")?;
    }
    session.prepared = true;
    Ok(())
}

/// What a runner prepared for an earlier stage.
fn kept(access: &Access) -> Result<Option<OwnedFd>, Failure> {
    let Some(cache) = &access.grant.runner_cache else {
        return Ok(None);
    };
    match access.open_directory(&Place::In(cache.directory, cache.name.clone())) {
        Err(failure) if failure.code == ErrorCode::NotFound => Ok(None),
        kept => kept.map(Some),
    }
}

fn scratch_of(access: &Access) -> Result<OwnedFd, Failure> {
    access.directory(access.grant.scratch)
}

/// Fails the second time: programs of the build root that ran may have left links where files would be made now.
fn begin(scratch: &Scratch) -> Result<(), Failure> {
    let begun = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(scratch.begun());
    match begun {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::new(
            ErrorCode::Io,
            "build root",
            "its preparation failed before and is not tried again in the same stage",
        )),
        begun => begun
            .map(drop)
            .about(scratch.begun(), "prepare the sandbox"),
    }
}

fn from_scratch(session: &Session, scratch: &Scratch) -> Result<(), Failure> {
    use ErrorKind::{AlreadyExists, CrossesDevices, DirectoryNotEmpty};
    run_steps(
        session,
        scratch,
        Steps::of(session.access.grant.runner.as_deref())?,
    )?;
    let access = &session.access;
    let Some(cache) = &access.grant.runner_cache else {
        return Ok(());
    };
    let cache = Path::new(&descriptor_path(access.file(cache.directory)?)).join(&cache.name);
    let building = scratch.0.join("for-cache");
    fs::create_dir(&building).about(&building, "keep what the runner prepared")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&building, flags, Mode::empty());
    let opened = opened.about(&building, "keep what the runner prepared")?;
    copy(session, scratch_of(access)?, opened)?;
    let kept = fs::rename(&building, &cache);
    let _ = fs::remove_dir_all(&building);
    match kept {
        // Another stage was quicker, or the cache is on another disk: the next stage prepares again.
        Err(error)
            if matches!(
                error.kind(),
                DirectoryNotEmpty | AlreadyExists | CrossesDevices
            ) =>
        {
            Ok(())
        }
        kept => kept.about(&cache, "keep what the runner prepared"),
    }
}

/// Copies etc and var from one directory to the other.
fn copy(session: &Session, from: OwnedFd, to: OwnedFd) -> Result<(), Failure> {
    let [source, target] = [&from, &to].map(|file| PathBuf::from(descriptor_path(file)));
    let mut command = Command::new(host_tool("cp")?);
    command.args(["-a", "--reflink=auto", "--"]).args([
        source.join("etc"),
        source.join("var"),
        target.join("."),
    ]);
    inherit(&mut command, vec![from, to]);
    if run_on_host(command, &session.log)? {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::Io,
        "build root",
        "cannot copy what the runner prepared; cp's reason is in the log",
    ))
}

/// Files are made before the first program of the build root runs, or in a way that follows no link that it may have left.
fn run_steps(session: &Session, scratch: &Scratch, steps: Steps) -> Result<(), Failure> {
    let etc = scratch.etc();
    if steps.crypto_policies {
        crypto_policies(&session.access, &etc)?;
    }
    if steps.python
        && open_inside(
            sandbox::root_directory(&session.access)?,
            Path::new("etc/alternatives"),
            OFlags::PATH,
        )
        .is_err()
    {
        fs::create_dir(etc.join("alternatives"))
            .about("alternatives", "prepare the sandbox's /etc")?;
        let link =
            std::os::unix::fs::symlink("/usr/bin/python3.6", etc.join("alternatives/python3"));
        link.about("alternatives/python3", "prepare the sandbox's /etc")?;
    }
    if steps.ldconfig {
        add_missing(
            &etc.join("ld.so.conf"),
            if steps.iscsi {
                "/usr/lib64/iscsi\n"
            } else {
                ""
            },
            0o644,
        )?;
        step(session, "ldconfig", &["-X"], Must::Work)?;
    }
    if steps.users {
        step(session, "systemd-sysusers", &[], Must::Work)?;
    }
    if steps.files {
        step(
            session,
            "systemd-tmpfiles",
            &["--create", "--prefix=/etc", "--prefix=/var"],
            Must::Run,
        )?;
    }
    add_missing(
        &etc.join("passwd"),
        "root:x:0:0:root:/root:/bin/sh\n",
        0o644,
    )?;
    add_missing(&etc.join("group"), "root:x:0:\n", 0o644)?;
    if steps.remove_nsswitch {
        let _ = fs::remove_file(etc.join("nsswitch.conf"));
    }
    if steps.machine_id {
        add_missing(
            &etc.join("machine-id"),
            &format!("{}\n", "f".repeat(32)),
            0o444,
        )?;
    }
    Ok(())
}

/// Makes a file unless something of its name is there.
fn add_missing(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
    {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        opened => opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .about(path, "prepare the sandbox's /etc"),
    }
}

/// What is expected of a step's program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    Work,
    Run,
}

/// Runs a program of the build root, if it is there; what it prints appears only when it fails.
fn step(session: &Session, program: &str, arguments: &[&str], must: Must) -> Result<(), Failure> {
    let tool = Tool {
        errors: Errors::Captured,
        prepares: true,
        ..Tool::new(program, arguments).captured()
    };
    let finished = match session.run_prepared(tool) {
        Err(failure) if failure.code == ErrorCode::MissingTool => return Ok(()),
        finished => finished?,
    };
    if finished.status == 0 || must == Must::Run {
        return Ok(());
    }
    rustix::io::write(&session.log, &finished.output).about(program, "write to the log")?;
    let detail = format!(
        "preparing the build root failed: {program} ended with status {}",
        finished.status
    );
    Err(Failure::new(ErrorCode::Io, program, detail))
}

/// Bytes that the files of a crypto policy have at most; real ones are a few kilobytes each.
const POLICY_SIZE: u64 = 16 << 20;

/// Copies the DEFAULT policy's files of the build root to /etc/crypto-policies/back-ends.
fn crypto_policies(access: &Access, etc: &Path) -> Result<(), Failure> {
    let policies = Path::new("usr/share/crypto-policies/back-ends/DEFAULT");
    let root = sandbox::root_directory(access)?;
    let Ok(directory) = open_inside(&root, policies, OFlags::RDONLY | OFlags::DIRECTORY) else {
        return Ok(());
    };
    let entries = Dir::read_from(&directory).about(policies, "list the policies")?;
    let target = etc.join("crypto-policies/back-ends");
    fs::create_dir_all(&target).about(&target, "prepare the sandbox's crypto-policies")?;
    let mut left = POLICY_SIZE;
    let names = entries
        .flatten()
        .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
    for name in names.filter(|name| name != "." && name != "..") {
        let file = open_inside(
            &root,
            &policies.join(&name),
            OFlags::RDONLY | OFlags::NONBLOCK,
        )
        .about(policies, "open a policy")?;
        let mut copy = fs::File::create_new(target.join(&name))
            .about(&target, "prepare the sandbox's crypto-policies")?;
        let mut file = fs::File::from(file).take(left + 1);
        let copied = std::io::copy(&mut file, &mut copy).about(policies, "copy a policy")?;
        left = left.checked_sub(copied).ok_or_else(|| {
            let detail = format!("more than {POLICY_SIZE} bytes of crypto policies");
            Failure::new(ErrorCode::NoSpace, policies.to_string_lossy(), detail)
        })?;
    }
    Ok(())
}
