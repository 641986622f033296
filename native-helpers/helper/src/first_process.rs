//! The first process of a virtual machine: it mounts what the machine was given, starts the program that the machine is for, and
//! switches the machine off when that has ended.

use std::ffi::CStr;
use std::fs::{File, create_dir_all};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{FirstSteps, ShareMount};
use rustix::mount::{MountFlags, mount, mount_move};
use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, finit_module, reboot};

/// Where the root directory is put together.
const ROOT: &str = "/new";

/// The disk of the machine.
const DISK: &str = "/dev/vda";

/// How long a device may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kernel unpacks a module that is compressed (`MODULE_INIT_COMPRESSED_FILE` of linux/module.h).
const COMPRESSED: i32 = 4;

/// What the kernel starts when it needs a module: it takes no arguments of ours, so this is a script.
const MODPROBE: &str = "/run/modprobe";

/// What went wrong, with where.
struct Problem(String);

fn about<T>(what: impl AsRef<Path>, result: io::Result<T>) -> Result<T, Problem> {
    result.map_err(|error| Problem(format!("{}: {error}", what.as_ref().display())))
}

/// Says something on the console, which is what there is to look at when a machine does not come up.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "osbuild-wasm: {text}");
}

/// Does all of it; there is nothing to return to.
pub fn run() -> ExitCode {
    if let Err(Problem(text)) = boot() {
        say(&text);
    }
    rustix::fs::sync();
    let _ = reboot(RebootCommand::PowerOff);
    ExitCode::FAILURE
}

fn boot() -> Result<(), Problem> {
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        mount_at(kind, target, kind, MountFlags::empty(), c"")?;
    }
    let steps = about(FirstSteps::PATH, std::fs::read(FirstSteps::PATH))?;
    let steps: FirstSteps = about(
        FirstSteps::PATH,
        serde_json::from_slice(&steps).map_err(io::Error::from),
    )?;
    for module in &steps.modules {
        about(module, load(module))?;
    }
    say("putting the root directory together");
    put_together(&steps)?;
    enter()?;
    say("loading modules");
    ask_for_modules(&steps)?;
    say("starting the program");
    let program = start(&steps)?;
    about("the program", wait_for(&program))
}

fn mount_at(
    source: &str,
    target: impl AsRef<Path>,
    kind: &str,
    flags: MountFlags,
    options: &CStr,
) -> Result<(), Problem> {
    let target = target.as_ref();
    about(target, create_dir_all(target))?;
    let mounted = mount(source, target, kind, flags, options);
    about(target, mounted.map_err(io::Error::from))
}

fn load(module: &Path) -> io::Result<()> {
    let is_plain = module
        .extension()
        .is_some_and(|extension| extension == "ko");
    let flags = if is_plain { 0 } else { COMPRESSED };
    match finit_module(File::open(module)?, c"", flags) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        loaded => Ok(loaded?),
    }
}

/// The root directory, in memory, with the shares and the disk in it.
fn put_together(steps: &FirstSteps) -> Result<(), Problem> {
    mount_at("root", ROOT, "tmpfs", MountFlags::empty(), c"mode=755")?;
    let root = Path::new(ROOT);
    for name in ["etc", "run", "tmp", "var/tmp", "root", "mnt"] {
        let path = root.join(name);
        about(&path, create_dir_all(&path))?;
    }
    for (text, name) in &steps.links {
        about(name, symlink(text, inside(name)))?;
    }
    for share in &steps.mounts {
        mount_share(share)?;
    }
    appear(DISK)?;
    let target = inside(&steps.disk);
    mount_at(DISK, &target, "ext4", MountFlags::empty(), c"")
}

fn inside(path: &Path) -> PathBuf {
    Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(path))
}

fn mount_share(share: &ShareMount) -> Result<(), Problem> {
    // What is not changed can be kept in memory here; what is written is seen outside at once.
    let (flags, options) = match share.writable {
        true => (
            MountFlags::empty(),
            c"trans=virtio,version=9p2000.L,msize=512000,access=any,cache=none",
        ),
        false => (
            MountFlags::RDONLY,
            c"trans=virtio,version=9p2000.L,msize=512000,access=any,cache=loose",
        ),
    };
    mount_at(&share.tag, inside(&share.target), "9p", flags, options)
}

fn appear(device: &str) -> Result<(), Problem> {
    let start = Instant::now();
    while !Path::new(device).exists() {
        if start.elapsed() > PATIENCE {
            return Err(Problem(format!("{device}: the kernel does not show it")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Makes the new root directory that of this process; it takes the place of the kernel's first one.
fn enter() -> Result<(), Problem> {
    for name in ["proc", "sys", "dev"] {
        let (from, to) = (Path::new("/").join(name), Path::new(ROOT).join(name));
        about(&to, create_dir_all(&to))?;
        about(&to, mount_move(&from, &to).map_err(io::Error::from))?;
    }
    let entered = rustix::process::chdir(ROOT)
        .and_then(|()| mount_move(".", "/"))
        .and_then(|()| rustix::process::chroot("."))
        .and_then(|()| rustix::process::chdir("/"));
    about(ROOT, entered.map_err(io::Error::from))
}

/// Tells the kernel how to get more modules.
fn ask_for_modules(steps: &FirstSteps) -> Result<(), Problem> {
    let root = steps.modules_root.as_deref().unwrap_or(Path::new("/usr"));
    let script = format!("#!/bin/sh\nexec modprobe -d '{}' \"$@\"\n", root.display());
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(MODPROBE);
    about(
        MODPROBE,
        file.and_then(|mut file| file.write_all(script.as_bytes())),
    )?;
    const SETTING: &str = "/proc/sys/kernel/modprobe";
    about(SETTING, std::fs::write(SETTING, MODPROBE))?;
    // Where no udev runs, no program makes the kernel load these by opening their nodes.
    for module in ["loop", "dm-mod"] {
        let _ = Command::new(MODPROBE).arg(module).status();
    }
    Ok(())
}

/// Starts the program with the serial port of virtio as its standard output.
fn start(steps: &FirstSteps) -> Result<Child, Problem> {
    let port = port()?;
    let output = about(&port, File::options().write(true).open(&port))?;
    let missing = || Problem("there is no program to start".to_owned());
    let (program, arguments) = steps.program.split_first().ok_or_else(missing)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(output);
    about(program, command.spawn())
}

fn port() -> Result<PathBuf, Problem> {
    let start = Instant::now();
    loop {
        let nodes = about("/dev", std::fs::read_dir("/dev"))?;
        let mut names = nodes.flatten().map(|entry| entry.path());
        let is_port = |path: &PathBuf| path.to_string_lossy().starts_with("/dev/vport");
        if let Some(port) = names.find(is_port) {
            return Ok(port);
        }
        if start.elapsed() > PATIENCE {
            return Err(Problem(
                "the kernel shows no serial port of virtio".to_owned(),
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the program, and meanwhile for all that lost their parents.
fn wait_for(program: &Child) -> io::Result<()> {
    loop {
        let ended = rustix::io::retry_on_intr(|| wait(WaitOptions::empty()))?;
        if ended.is_some_and(|(pid, _)| pid.as_raw_nonzero().get().unsigned_abs() == program.id()) {
            return Ok(());
        }
    }
}
