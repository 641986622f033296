//! `osbuild:stage/mount`: file systems in the mount namespace of the run.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osbuild_wasm_protocol::{ErrorCode, Failure, FileSystem, Mount, Mounted};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, statx, syncfs};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

use crate::access::{TREE, real_path};
use crate::device;
use crate::failure::{About, denied, invalid};
use crate::session::{Held, Session};

/// Where mounts belong, beside the tree.
const MOUNTS: &str = "/run/osbuild/mounts";

/// How long a file system may stay in use after its last user has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mount of this session.
struct MountedRoot {
    contract: String,
    /// Its root; open since it was mounted, so that `syncfs` reports every write that failed since then.
    root: OwnedFd,
}

/// Mounts a device.
pub fn mount(session: &mut Session, mount: &Mount) -> Result<Mounted, Failure> {
    if ![MOUNTS, TREE]
        .iter()
        .any(|top| Path::new(&mount.target).starts_with(top))
    {
        return Err(denied(
            &mount.target,
            format!("file systems are mounted below {MOUNTS} or {TREE} only"),
        ));
    }
    let source = source(session, mount)?;
    let options = options(mount.kind, &mount.options)?;
    let target = session.access.make_directory(&mount.target)?;
    check_private(&target, &mount.target)?;
    let mounted = make(mount, &source, &options)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&mounted, ".", flags, Mode::empty());
    let root = root.about(&mount.target, "open the file system to be mounted")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&mounted, "", &target, "", flags).about(&mount.target, "mount here")?;
    let handle = session.hold(Box::new(MountedRoot {
        contract: mount.target.clone(),
        root,
    }));
    Ok(Mounted {
        handle,
        path: mount.target.clone(),
    })
}

/// Refuses a target whose mount is shared with other namespaces: what is mounted there would be seen by the whole machine and stay.
fn check_private(target: &OwnedFd, contract: &str) -> Result<(), Failure> {
    let stat = statx(target, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .about(contract, "look at this directory")?;
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo")
        .about(contract, "read the table of mounts")?;
    let number = stat.stx_mnt_id.to_string();
    let mut lines = table.lines().map(|line| line.split(' '));
    let line = lines.find(|words| words.clone().next() == Some(&number));
    // See proc(5): optional fields stand between the sixth word and a dash.
    let shared = line.is_none_or(|words| {
        words
            .skip(6)
            .take_while(|word| *word != "-")
            .any(|word| word.starts_with("shared:"))
    });
    if shared {
        let detail =
            "the mount namespace of the run is not private: the runtime must unshare it first";
        return Err(Failure::new(ErrorCode::NotPermitted, contract, detail));
    }
    Ok(())
}

/// Host path of the device or its partition, allowed by the grant.
fn source(session: &Session, mount: &Mount) -> Result<PathBuf, Failure> {
    let disk = device::resolve(&session.access, &mount.device)?;
    let Some(partition) = mount.partition else {
        return Ok(disk);
    };
    let mut path = disk.into_os_string();
    if path
        .to_string_lossy()
        .ends_with(|c: char| c.is_ascii_digit())
    {
        path.push("p");
    }
    path.push(partition.to_string());
    let path = PathBuf::from(path);
    if !path.exists() {
        let detail = format!(
            "there is no partition {partition}: was the device attached with a partition scan?"
        );
        return Err(Failure::new(ErrorCode::NotFound, &mount.device, detail));
    }
    device::check(&session.access, &path)?;
    Ok(path)
}

/// A file system that is mounted nowhere yet.
fn make(
    mount: &Mount,
    source: &Path,
    options: &[(String, Option<String>)],
) -> Result<OwnedFd, Failure> {
    let kind = kernel_name(mount.kind);
    let context = match fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(Errno::NODEV) => {
            let detail = format!(
                "the kernel of this machine has no {kind}: load or build its module, or mount in a virtual machine"
            );
            return Err(Failure::new(ErrorCode::Unsupported, &mount.device, detail));
        }
        context => context.about(&mount.device, format!("prepare a mount of {kind}"))?,
    };
    let configured = configure(&context, mount.read_only, source, options)
        .and_then(|()| fsconfig_create(&context));
    configured.map_err(|errno| refused(&context, errno, mount))?;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    if mount.read_only {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(|errno| refused(&context, errno, mount))
}

fn configure(
    context: &OwnedFd,
    read_only: bool,
    source: &Path,
    options: &[(String, Option<String>)],
) -> rustix::io::Result<()> {
    fsconfig_set_string(context, "source", source)?;
    if read_only {
        fsconfig_set_flag(context, "ro")?;
    }
    for (name, value) in options {
        match value {
            Some(value) => fsconfig_set_string(context, name, value)?,
            None => fsconfig_set_flag(context, name)?,
        }
    }
    Ok(())
}

/// The failure of a mount with what the kernel has to say of it.
fn refused(context: &OwnedFd, errno: Errno, mount: &Mount) -> Failure {
    let mut reasons = Vec::new();
    let mut buffer = [0; 1024];
    // Each read is one message: a letter for its level, a space, and the text.
    while let Ok(count @ 1..) = rustix::io::read(context, &mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]).trim().to_owned();
        reasons.push(text.get(2..).unwrap_or(&text).to_owned());
    }
    let failure = Failure::system(
        errno,
        &mount.device,
        format!("cannot mount {}", kernel_name(mount.kind)),
    );
    let advice = match errno {
        Errno::INVAL if reasons.is_empty() => " (is there such a file system on the device?)",
        _ => "",
    };
    let reasons = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join("; "))
    };
    Failure {
        detail: format!("{}{reasons}{advice}", failure.detail),
        ..failure
    }
}

fn kernel_name(kind: FileSystem) -> &'static str {
    match kind {
        FileSystem::Ext4 => "ext4",
        FileSystem::Xfs => "xfs",
        FileSystem::Btrfs => "btrfs",
        FileSystem::Vfat => "vfat",
        FileSystem::Squashfs => "squashfs",
        FileSystem::Erofs => "erofs",
    }
}

/// Checks mount options and says how the kernel calls them.
fn options(kind: FileSystem, options: &[String]) -> Result<Vec<(String, Option<String>)>, Failure> {
    options
        .iter()
        .map(|option| check_option(kind, option).ok_or_else(|| refused_option(kind, option)))
        .collect()
}

fn refused_option(kind: FileSystem, option: &str) -> Failure {
    invalid(
        option,
        format!("{} does not have this mount option here", kernel_name(kind)),
    )
}

fn check_option(kind: FileSystem, option: &str) -> Option<(String, Option<String>)> {
    let (name, value) = option
        .split_once('=')
        .map_or((option, None), |(name, value)| (name, Some(value)));
    let number = |value: &str| value.parse::<u32>().is_ok() && !value.starts_with('+');
    let octal =
        |value: &str| value.len() == 3 && value.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let word = |value: &str| {
        !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
    };
    let name_of_volume = |value: &str| !value.is_empty() && !value.contains(['\0', ',']);
    let fine = match (kind, name, value) {
        // Renamed by the kernel, and the old name went for a while.
        (FileSystem::Btrfs, "norecovery", None) => {
            return Some(("rescue".to_owned(), Some("nologreplay".to_owned())));
        }
        (FileSystem::Ext4 | FileSystem::Xfs, "norecovery", None) => true,
        (FileSystem::Btrfs, "subvol", Some(value)) => name_of_volume(value),
        (FileSystem::Btrfs, "compress", Some(value)) => word(value),
        (FileSystem::Vfat, "uid" | "gid", Some(value)) => number(value),
        (FileSystem::Vfat, "umask", Some(value)) => octal(value),
        (FileSystem::Vfat, "shortname", Some(value)) => {
            matches!(value, "lower" | "win95" | "winnt" | "mixed")
        }
        (FileSystem::Vfat, "utf8", None) => true,
        _ => false,
    };
    fine.then(|| (name.to_owned(), value.map(ToOwned::to_owned)))
}

impl Held for MountedRoot {
    fn release(self: Box<Self>) -> Result<(), Failure> {
        let written = syncfs(&self.root).about(&self.contract, "write back this file system");
        // Where it is by now: directories above it may have been renamed.
        let path = real_path(&self.root).about(&self.contract, "find this mount")?;
        drop(self.root);
        let start = Instant::now();
        loop {
            match unmount(&path, UnmountFlags::NOFOLLOW) {
                Err(Errno::BUSY) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(5)),
                Err(Errno::BUSY) => {
                    let _ = unmount(&path, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH);
                    let detail = "the file system is still in use; it was taken away and goes when its last user does";
                    return written.and(Err(Failure::new(ErrorCode::Busy, self.contract, detail)));
                }
                unmounted => return written.and(unmounted.about(&self.contract, "unmount")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_options_reach_the_kernel() {
        use FileSystem::{Btrfs, Ext4, Squashfs, Vfat, Xfs};
        for (kind, option) in [
            (Ext4, "norecovery"),
            (Btrfs, "subvol=root/a"),
            (Btrfs, "compress=zstd:1"),
            (Vfat, "umask=077"),
            (Vfat, "uid=0"),
        ] {
            assert!(check_option(kind, option).is_some(), "{option}");
        }
        for (kind, option) in [
            (Ext4, "subvol=x"),
            (Xfs, "logdev=/dev/sda"),
            (Ext4, "journal_path=/dev/sda"),
            (Btrfs, "device=/dev/sda"),
            (Squashfs, "norecovery"),
            (Vfat, "umask=99"),
            (Vfat, "uid=+1"),
            (Vfat, "shortname=x"),
            (Btrfs, "compress=zstd,device=/dev/sda"),
            (Btrfs, "subvol="),
            (Ext4, ""),
        ] {
            assert!(check_option(kind, option).is_none(), "{option}");
        }
        assert_eq!(check_option(Btrfs, "norecovery").unwrap().0, "rescue");
    }
}
