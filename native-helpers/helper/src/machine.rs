//! Virtual machines, by qemu in a sandbox: it sees its kernel, its disk, the directories that were granted, and /dev/kvm.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Boot, Bytes, ErrorCode, Failure, Outcome, Share};
use rustix::fs::OFlags;

use crate::access::Need;
use crate::failure::invalid;
use crate::sandbox::Shown;
use crate::sandbox::view::open_own;
use crate::session::Session;

/// The kernel's own virtualization.
const KVM: &str = "/dev/kvm";

/// Boots a machine and waits until it is off.
pub fn boot(
    session: &mut Session,
    boot: &Boot,
    [output]: [OwnedFd; 1],
) -> Result<Outcome, Failure> {
    make_disk(session, &boot.disk)?;
    let mut shown = directories(session)?;
    if boot.accelerated {
        shown.push(Shown::Device {
            node: open_own(Path::new(KVM))?,
            target: PathBuf::from(KVM),
        });
    }
    let emulator = format!("qemu-system-{}", std::env::consts::ARCH);
    let arguments = arguments(session, boot)?;
    let finished = session.run_emulator(&emulator, arguments, File::from(output), shown)?;
    Ok(Outcome {
        status: finished.status,
        output: Bytes::default(),
    })
}

/// Every directory of the grant, at its contract path.
fn directories(session: &Session) -> Result<Vec<Shown>, Failure> {
    let directories = session.access.grant.directories.iter();
    let shown = directories.map(|directory| {
        Ok(Shown::File {
            file: session.access.open_directory(&directory.place)?,
            target: PathBuf::from(&directory.contract),
            read_only: !directory.writable,
        })
    });
    shown.collect()
}

/// Makes a file system that needs no care: it is not read after the machine.
fn make_disk(session: &Session, disk: &str) -> Result<(), Failure> {
    // That it may be changed.
    session.access.open(disk, Need::Write, OFlags::PATH)?;
    let options = [
        "-q",
        "-F",
        "-m0",
        "-O^has_journal",
        "-Elazy_itable_init=1,nodiscard",
        disk,
    ];
    let arguments = options.map(OsString::from).into();
    let shown = directories(session)?;
    let made = session.run_alone("mkfs.ext4", arguments, &[], shown, None)?;
    if made.status == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&made.output);
    let detail = format!("cannot make the machine's file system: {}", said.trim());
    Err(Failure::new(ErrorCode::Io, disk, detail))
}

/// Processor, memory and devices.
fn arguments(session: &Session, boot: &Boot) -> Result<Vec<OsString>, Failure> {
    for (path, need) in [
        (&boot.kernel, Need::Read),
        (&boot.initrd, Need::Read),
        (&boot.console, Need::Write),
    ] {
        session.access.open(path, need, OFlags::PATH)?;
    }
    let board = match std::env::consts::ARCH {
        "x86_64" => "q35",
        _ => "virt",
    };
    let (processor, accelerator) = match boot.accelerated {
        true => ("host", "kvm"),
        false => ("max", "tcg,thread=multi"),
    };
    let mut words: Vec<String> = [
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        board,
        "-cpu",
        processor,
        "-accel",
        accelerator,
        "-device",
        "virtio-blk-pci,drive=disk",
        "-device",
        "virtio-serial-pci",
        "-chardev",
        // Not the emulator's own stdio, which is closed for both sides when there is nothing to read.
        "file,id=says,path=/dev/stdout",
        "-device",
        "virtserialport,chardev=says",
    ]
    .map(str::to_owned)
    .into();
    let disk = format!(
        "file={},if=none,id=disk,format=raw,cache=unsafe,discard=unmap",
        boot.disk
    );
    let more = [
        ("-m", format!("{}M", boot.memory)),
        ("-smp", boot.processors.to_string()),
        ("-kernel", boot.kernel.clone()),
        ("-initrd", boot.initrd.clone()),
        ("-append", boot.command_line.clone()),
        ("-drive", disk),
        ("-serial", format!("file:{}", boot.console)),
    ];
    words.extend(
        more.into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value]),
    );
    for share in &boot.shares {
        words.extend(share_arguments(session, share)?);
    }
    Ok(words.into_iter().map(OsString::from).collect())
}

fn share_arguments(session: &Session, share: &Share) -> Result<[String; 4], Failure> {
    let Share {
        tag,
        path,
        writable,
    } = share;
    if tag.is_empty() || !tag.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(invalid(tag, "a tag has small letters only"));
    }
    if let Some(path) = path {
        let need = if *writable { Need::Write } else { Need::Read };
        session
            .access
            .open(path, need, OFlags::PATH | OFlags::DIRECTORY)?;
    }
    let path = path.as_deref().unwrap_or("/usr");
    if path.contains(',') {
        return Err(invalid(path, "qemu takes no path with a comma here"));
    }
    let read_only = if *writable { "off" } else { "on" };
    Ok([
        "-fsdev".to_owned(),
        format!(
            "local,id={tag},path={path},security_model=passthrough,multidevs=remap,readonly={read_only}"
        ),
        "-device".to_owned(),
        format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
    ])
}
