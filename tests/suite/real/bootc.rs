//! A bootable container on the file systems of a disk. Debian does not have bootc; what stands for it here asks its surroundings what bootc
//! asks them, and takes the image apart.
use super::{archive, build, root_with, tree};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::{Value, json};

/// `bootc install to-filesystem --source-imgref IMAGE [OPTION]... ROOT`
const BOOTC: &str = r#"#!/usr/bin/busybox sh
set -eu
b=/usr/bin/busybox
[ "$1 $2 $3" = "install to-filesystem --source-imgref" ]
[ "$BOOTC_SKIP_SELINUX_HOST_CHECK" = true ]
image=$4
shift 4
for root; do
    case ${previous-} in --root-ssh-authorized-keys) keys=$root ;; --karg) arguments="${arguments-}$root " ;; esac
    previous=$root
done
# The disk that is installed to: its node, and what the kernel tells of it.
set -- $($b awk -v root="$root" '$5 == root { print $3, $(NF - 1) }' /proc/self/mountinfo)
$b test -b "$2"
$b test -e "/sys/dev/block/$1/size"
echo x >/dev/shm/x
# File systems of its own.
$b mkdir /tmp/own
$b mount -t tmpfs none /tmp/own
skopeo copy --quiet --dest-decompress "$image" dir:/var/tmp/image
deployment=$root/ostree/deploy/default/deploy/0
$b mkdir -p "$deployment"
for layer in $($b sed 's/"layers"/\n&/' /var/tmp/image/manifest.json | $b sed -n '/"layers"/s/sha256:/\n/gp' | $b sed -n 's/^\([0-9a-f]\{64\}\).*/\1/p'); do
    $b tar -C "$deployment" -xf "/var/tmp/image/$layer"
done
{ echo "$arguments"; $b cat "$keys"; } >"$root/installed"
"#;

fn document(scratch: &Scratch) -> Value {
    let programs = [
        "/usr/bin/busybox",
        "/usr/bin/skopeo",
        "/usr/sbin/mkfs.ext4",
        "/etc/mke2fs.conf",
    ];
    let build_root = root_with(scratch, &programs, ("bootc", BOOTC));
    let (sources, unpack) = archive(scratch, &build_root);
    let device = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } });
    let mounts =
        json!([{ "name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }]);
    let install = json!({
        "type": "org.osbuild.bootc.install-to-filesystem",
        "options": { "kernel-args": ["rw", "console=ttyS0"], "root-ssh-authorized-keys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"] },
        "inputs": { "images": { "type": "org.osbuild.containers", "origin": "org.osbuild.pipeline", "references": { "name:image": { "name": "localhost/system:1" } } } },
        "devices": { "disk": device },
        "mounts": mounts,
    });
    let taken = json!([
        { "from": "mount://root/installed", "to": "tree:///installed" },
        { "from": "mount://root/ostree/deploy/default/deploy/0/etc/hostname", "to": "tree:///hostname" },
    ]);
    json!({ "version": "2", "sources": sources, "pipelines": [
        { "name": "build", "stages": [unpack] },
        { "name": "system", "stages": [{ "type": "org.osbuild.hostname", "options": { "hostname": "deployed" } }] },
        { "name": "image", "stages": [{
            "type": "org.osbuild.oci-archive",
            "options": { "architecture": "amd64", "filename": "image.tar", "config": { "Labels": { "containers.bootc": "1" } } },
            "inputs": { "base": tree("system") },
        }] },
        { "name": "disk", "build": "name:build", "stages": [
            { "type": "org.osbuild.truncate", "options": { "filename": "disk.img", "size": "32M" } },
            { "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3561" }, "devices": { "device": device } },
            install,
            { "type": "org.osbuild.copy", "options": { "paths": taken }, "devices": { "disk": device }, "mounts": mounts },
        ] },
    ] })
}

#[test]
fn bootc_finds_its_disk_its_image_and_places_to_work() {
    if !machine::offers(&["busybox", "skopeo", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let document = document(&scratch);
    build(&scratch, &document, &["disk"]).run().expect(0);
    assert_eq!(
        scratch.read("out/disk/installed"),
        "rw console=ttyS0 \nssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n"
    );
    assert_eq!(scratch.read("out/disk/hostname"), "deployed\n");
    machine::assert_nothing_left(scratch.root());
}
