//! A small system of programs of this machine and Debian's kernel, as an archive: its root directory is its initial RAM disk too.
use super::kernel;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs of this machine that it has.
pub(super) const PROGRAMS: [&str; 9] = [
    "cryptsetup",
    "lvm",
    "veritysetup",
    "btrfs",
    "xfs_spaceman",
    "blkid",
    "sfdisk",
    "dmsetup",
    "busybox",
];

/// Modules of the kernel that it has, beside what these need.
const MODULES: &str = "virtio_pci virtio_blk ext4 xfs btrfs dm-mod dm-crypt dm-verity xts ecb aes_generic sha256_generic crc32c_generic \
    algif_skcipher algif_hash";

/// Opens what of etc/crypttab is there, by a passphrase that is asked for, and goes on in what etc/fstab has for the root directory.
const INIT: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
for module in virtio_pci virtio_blk dm-crypt ext4; do modprobe $module; done
while read -r name source key options <&3; do
    device=$(blkid -l -o device -t "$source") && cryptsetup open "$device" "$name"
done 3</etc/crypttab
lvm vgchange --activate y --sysinit
root=$(awk '$2 == "/" { print $1 }' /etc/fstab)
mkdir /new && mount "$(blkid -l -o device -t "$root")" /new
for name in proc sys dev run; do mount --move /$name /new/$name; done
exec switch_root /new /sbin/init
"#;

/// Mounts what else etc/fstab has, says where it is, and does what the disk `checks` says.
const SECOND: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1
awk '$2 != "/" { print $1, $2, $3 }' /etc/fstab | while read -r source target type; do
    mount -t "$type" "$(blkid -l -o device -t "$source")" "$target"
done
disk() { for it in /sys/block/vd*; do [ "$(cat $it/serial)" != "$1" ] || echo /dev/${it##*/}; done; }
echo "INSIDE $(cat /etc/hostname), root $(awk '$2 == "/" { root = $1 } END { print root }' /proc/mounts)"
. "$(disk checks)"
echo "CHECKS DONE"
poweroff -f
"#;

/// Boots what is in /boot.
const GRUB: &str = r"serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
linux /vmlinuz console=ttyS0,115200 quiet panic=-1
initrd /initrd.cpio
boot
";

/// Puts it together. Arguments: the kernel's root directory, the archives, names of modules, names of programs.
const SCRIPT: &str = r#"
kernel=$1 archive=$2 directories=$3 modules=$4; shift 4
top=$(mktemp -d); trap 'rm -rf "$top"' EXIT; cd "$top"
mkdir -p boot/grub2/i386-pc dev proc sys run mnt tmp etc bin sbin usr/bin usr/sbin lib lib64
cp -L "$kernel"/boot/vmlinuz-* boot/vmlinuz
cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst boot/grub2/i386-pc
version=$(ls "$kernel/lib/modules")
mkdir -p "lib/modules/$version"
cp "$kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "lib/modules/$version"
for module in $modules; do
    modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | sort -u | while read -r file; do
    name=${file#"$kernel"/}
    mkdir -p "$(dirname "$name")" && cp "$file" "$name"
done
depmod -b . "$version"
for program; do
    path=$(command -v "$program")
    cp -L "$path" "usr/sbin/$program"
    # Nothing for those that are linked statically, and for scripts.
    { ldd "$path" 2>/dev/null || true; } | awk 'match($0, "/[^ ]*") { print substr($0, RSTART, RLENGTH) }'
    # The C library loads it by itself when a thread ends.
    ldconfig -p | awk '/libgcc_s.so.1/ && !seen++ { print $NF }'
done | sort -u | while read -r library; do
    mkdir -p ".$(dirname "$library")" && cp -L "$library" ".$library"
done
for name in $(busybox --list); do [ -e "usr/sbin/$name" ] || ln -s busybox "usr/sbin/$name"; done
ln -s ../usr/sbin/busybox bin/sh; ln -s ../usr/sbin/busybox sbin/modprobe
printf %s "$INIT" >init; printf %s "$SECOND" >sbin/init; printf %s "$GRUB" >boot/grub2/grub.cfg
chmod 755 init sbin/init
tar --create --file "$archive" .
find . -type d -print0 | tar --create --file "$directories" --no-recursion --null --files-from -
"#;

/// The archive, and one of its directories alone.
pub(super) fn archives(to: &Path) -> [PathBuf; 2] {
    let archives = ["system.tar", "directories.tar"].map(|name| to.join(name));
    let made = Command::new("bash")
        .args(["-euo", "pipefail", "-c", SCRIPT, "bash"])
        .args([kernel(), &archives[0], &archives[1]])
        .arg(MODULES)
        .args(PROGRAMS)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("INIT", INIT)
        .env("SECOND", SECOND)
        .env("GRUB", GRUB)
        .status();
    assert!(made.expect("bash").success(), "there is no system");
    archives
}
