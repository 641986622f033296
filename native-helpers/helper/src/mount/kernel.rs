//! File systems that the kernel reads itself.

use std::os::fd::OwnedFd;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure, FileSystem, Mount};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::superblock;
use crate::failure::{About, invalid};

/// Whether the kernel knows a kind of file system, after loading its module where there is one.
pub fn knows(kind: FileSystem) -> bool {
    !matches!(
        fsopen(kernel_name(kind), FsOpenFlags::FSOPEN_CLOEXEC),
        Err(Errno::NODEV)
    )
}

/// A file system that is mounted nowhere yet.
pub fn make(
    mount: &Mount,
    source: &Path,
    options: &[(String, Option<String>)],
) -> Result<OwnedFd, Failure> {
    let kind = kernel_name(mount.kind);
    if mount.kind == FileSystem::Ext4 {
        superblock::check_ext4(source, &mount.device)?;
    }
    let context = match fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(Errno::NODEV) => {
            let detail = format!(
                "the kernel of this machine has no {kind}: load or build its module, or mount in a virtual machine"
            );
            return Err(Failure::new(ErrorCode::Unsupported, &mount.device, detail));
        }
        context => context.about(&mount.device, format!("prepare a mount of {kind}"))?,
    };
    let configured =
        configure(&context, mount, source, options).and_then(|()| fsconfig_create(&context));
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
    mount: &Mount,
    source: &Path,
    options: &[(String, Option<String>)],
) -> rustix::io::Result<()> {
    fsconfig_set_string(context, "source", source)?;
    if mount.read_only {
        fsconfig_set_flag(context, "ro")?;
    }
    if mount.kind == FileSystem::Ext4 {
        // Whatever the superblock says: it may ask for a panic of the machine.
        fsconfig_set_string(context, "errors", "remount-ro")?;
    }
    if mount.kind == FileSystem::Xfs {
        // Manifests name UUIDs, so the machine or another build may have one of the same mounted, which is no reason to refuse.
        fsconfig_set_flag(context, "nouuid")?;
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

pub fn kernel_name(kind: FileSystem) -> &'static str {
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
pub fn options(
    kind: FileSystem,
    options: &[String],
) -> Result<Vec<(String, Option<String>)>, Failure> {
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
