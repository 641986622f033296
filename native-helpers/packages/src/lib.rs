//! Which package brings a program, in Debian and in Fedora and its kin.
#![forbid(unsafe_code)]

use std::fmt;

/// Programs, their package in Debian, their package in Fedora. A `*` stands for any text; the first line that fits counts.
const PACKAGES: &[(&str, &str, &str)] = &[
    ("bash", "bash", "bash"),
    ("blkid", "util-linux", "util-linux"),
    ("cpio", "cpio", "cpio"),
    ("createrepo_c", "createrepo-c", "createrepo_c"),
    ("cryptsetup", "cryptsetup-bin", "cryptsetup"),
    ("dmsetup", "dmsetup", "device-mapper"),
    ("dnf*", "dnf", "dnf"),
    ("dracut", "dracut-core", "dracut"),
    ("grub*-install", "grub2-common", "grub2-tools"),
    ("grub*-mkimage", "grub-common", "grub2-tools-minimal"),
    ("ldconfig", "libc-bin", "glibc"),
    ("lv*", "lvm2", "lvm2"),
    ("mcopy", "mtools", "mtools"),
    ("mdel*", "mtools", "mtools"),
    ("mdir", "mtools", "mtools"),
    ("mkfs.btrfs", "btrfs-progs", "btrfs-progs"),
    ("mkfs.erofs", "erofs-utils", "erofs-utils"),
    ("mkfs.ext*", "e2fsprogs", "e2fsprogs"),
    ("mkfs.fat", "dosfstools", "dosfstools"),
    ("mkfs.vfat", "dosfstools", "dosfstools"),
    ("mkfs.xfs", "xfsprogs", "xfsprogs"),
    ("mkisofs", "genisoimage", "genisoimage"),
    ("mksquashfs", "squashfs-tools", "squashfs-tools"),
    ("mkswap", "util-linux", "util-linux"),
    ("modprobe", "kmod", "kmod"),
    ("ostree", "ostree", "ostree"),
    ("parted", "parted", "parted"),
    ("partx", "util-linux", "util-linux"),
    ("podman", "podman", "podman"),
    ("pv*", "lvm2", "lvm2"),
    ("qemu-img", "qemu-utils", "qemu-img"),
    ("qemu-system-x86_64", "qemu-system-x86", "qemu-kvm"),
    ("qemu-system-aarch64", "qemu-system-arm", "qemu-kvm"),
    ("restorecon", "policycoreutils", "policycoreutils"),
    ("rpm*", "rpm", "rpm"),
    ("semodule", "policycoreutils", "policycoreutils"),
    ("setfiles", "policycoreutils", "policycoreutils"),
    ("sfdisk", "fdisk", "util-linux"),
    ("sgdisk", "gdisk", "gdisk"),
    ("skopeo", "skopeo", "skopeo"),
    ("systemd-dissect", "systemd-container", "systemd-container"),
    ("systemd-*", "systemd", "systemd"),
    ("vg*", "lvm2", "lvm2"),
    ("xorriso*", "xorriso", "xorriso"),
    ("xz", "xz-utils", "xz"),
    ("zstd", "zstd", "zstd"),
];

/// The package of a program by its names. It is shown as one name where Debian and Fedora have the same, else as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// In Debian and its kin.
    pub debian: &'static str,
    /// In Fedora and its kin.
    pub fedora: &'static str,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { debian, fedora } = self;
        if debian == fedora {
            f.write_str(debian)
        } else {
            write!(f, "{debian} (Debian) or {fedora} (Fedora)")
        }
    }
}

/// The package that brings `program`, a name or a path; none when it is not known.
pub fn package_of(program: &str) -> Option<Package> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let mut fitting = PACKAGES.iter().filter(|(pattern, ..)| fits(pattern, name));
    let &(_, debian, fedora) = fitting.next()?;
    Some(Package { debian, fedora })
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::package_of;

    #[test]
    fn a_package_is_named_as_each_distribution_calls_it() {
        for (program, package) in [
            ("/usr/sbin/mkfs.ext4", "e2fsprogs"),
            (
                "grub2-mkimage",
                "grub-common (Debian) or grub2-tools-minimal (Fedora)",
            ),
            ("/usr/bin/xz", "xz-utils (Debian) or xz (Fedora)"),
            ("systemd-dissect", "systemd-container"),
            ("systemd-sysusers", "systemd"),
        ] {
            let found = package_of(program).map(|package| package.to_string());
            assert_eq!(found.as_deref(), Some(package), "{program}");
        }
        assert_eq!(package_of("frobnicate"), None);
    }
}
