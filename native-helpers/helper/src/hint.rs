//! Where a missing tool comes from.

use osbuild_wasm_protocol::{ErrorCode, Failure};

/// Programs, their package in Debian, their package in Fedora. A trailing `*` stands for any rest.
const PACKAGES: &[(&str, &str, &str)] = &[
    ("createrepo_c", "createrepo-c", "createrepo_c"),
    ("cryptsetup", "cryptsetup-bin", "cryptsetup"),
    ("dmsetup", "dmsetup", "device-mapper"),
    ("dnf*", "dnf", "dnf"),
    ("dracut", "dracut-core", "dracut"),
    ("grub*-mkimage", "grub-common", "grub2-tools-minimal"),
    ("lvchange", "lvm2", "lvm2"),
    ("lvcreate", "lvm2", "lvm2"),
    ("lvmdevices", "lvm2", "lvm2"),
    ("mcopy", "mtools", "mtools"),
    ("mdel*", "mtools", "mtools"),
    ("mdir", "mtools", "mtools"),
    ("mkfs.btrfs", "btrfs-progs", "btrfs-progs"),
    ("mkfs.erofs", "erofs-utils", "erofs-utils"),
    ("mkfs.ext*", "e2fsprogs", "e2fsprogs"),
    ("mkfs.fat", "dosfstools", "dosfstools"),
    ("mkfs.xfs", "xfsprogs", "xfsprogs"),
    ("mksquashfs", "squashfs-tools", "squashfs-tools"),
    ("mkswap", "util-linux", "util-linux"),
    ("ostree", "ostree", "ostree"),
    ("parted", "parted", "parted"),
    ("partx", "util-linux", "util-linux"),
    ("podman", "podman", "podman"),
    ("pvcreate", "lvm2", "lvm2"),
    ("pvdisplay", "lvm2", "lvm2"),
    ("qemu-img", "qemu-utils", "qemu-img"),
    ("qemu-system-*", "qemu-system", "qemu-kvm"),
    ("rpm*", "rpm", "rpm"),
    ("setfiles", "policycoreutils", "policycoreutils"),
    ("sfdisk", "fdisk", "util-linux"),
    ("sgdisk", "gdisk", "gdisk"),
    ("skopeo", "skopeo", "skopeo"),
    ("systemd-dissect", "systemd-container", "systemd-container"),
    ("systemd-*", "systemd", "systemd"),
    ("vgcreate", "lvm2", "lvm2"),
    ("xorrisofs", "xorriso", "xorriso"),
    ("xz", "xz-utils", "xz"),
    ("zstd", "zstd", "zstd"),
];

/// The failure for a program that is not in `place`.
pub fn missing_tool(program: &str, place: &str) -> Failure {
    let name = program.rsplit('/').next().unwrap_or(program);
    let package = PACKAGES.iter().find(|(pattern, ..)| fits(pattern, name));
    let advice = match package {
        Some((_, debian, fedora)) => {
            format!("install {debian} (Debian) or {fedora} (Fedora) there")
        }
        None => "add the package that has it there".to_owned(),
    };
    Failure::new(
        ErrorCode::MissingTool,
        program,
        format!("{place} has no such program: {advice}"),
    )
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
    use super::*;

    #[test]
    fn the_package_is_named() {
        for (program, package) in [
            ("/usr/sbin/mkfs.ext4", "e2fsprogs"),
            ("grub2-mkimage", "grub2-tools-minimal"),
            ("/usr/bin/xz", "xz-utils"),
        ] {
            let failure = missing_tool(program, "the build root");
            assert!(failure.detail.contains(package), "{failure}");
            assert_eq!(failure.code, ErrorCode::MissingTool);
        }
        assert!(
            missing_tool("frobnicate", "the tree")
                .to_string()
                .starts_with("frobnicate: the tree has no such program")
        );
    }
}
