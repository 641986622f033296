//! Disks that boot from a logical volume.
use super::{loopback, luks, volume};
use osbuild_wasm_tests::manifest;
use serde_json::{Value, json};

/// UUIDs of what is made.
pub(super) const SEALED: &str = "0194fdc2-fa2f-4cc0-81d3-ff12045b73c9";
pub(super) const ROOT: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3571";
pub(super) const BOOT: &str = "6264d520-3fb9-423f-8ab8-7a0a8e3d3572";
const DISK: &str = "d209c89e-ea5e-4fbd-b161-b461cce297e1";

/// The type of a partition with a file system.
pub(super) const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

pub(super) fn truncate(file: &str, size: &str) -> Value {
    manifest::stage(
        "org.osbuild.truncate",
        json!({ "filename": file, "size": size }),
    )
}

pub(super) fn part(file: &str, start: u64, size: u64) -> Value {
    json!({ "type": "org.osbuild.loopback", "options": { "filename": file, "start": start, "size": size } })
}

/// A stage on devices.
pub(super) fn on(module: &str, options: Value, devices: Value) -> Value {
    json!({ "type": module, "options": options, "devices": devices })
}

/// A partition table: start, size, type of each partition.
pub(super) fn table(partitions: &[(u64, u64, &str)], device: Value) -> Value {
    let partitions = partitions
        .iter()
        .map(|(start, size, kind)| json!({ "start": start, "size": size, "type": kind }));
    let partitions: Vec<_> = partitions.collect();
    let options = json!({ "label": "gpt", "uuid": DISK, "partitions": partitions });
    on("org.osbuild.sfdisk", options, json!({ "device": device }))
}

/// A disk with GRUB, the kernel on a partition of its own, and all else on a volume of a group, in a container or on the partition itself.
pub(super) fn system_disk(disk: &str, group: &str, in_container: bool) -> Vec<Value> {
    let boot = part(disk, 4096, 131_072);
    let partition = part(disk, 135_168, 393_216);
    let (kind, below, physical) = match in_container {
        true => (
            "ca7d7ccb-63ed-4c53-861c-1742536059cc",
            json!({ "disk": partition, "physical": luks("disk") }),
            json!({ "disk": partition, "device": luks("disk") }),
        ),
        false => (
            "e6d6d379-f507-44c2-a23c-238f2a3df928",
            json!({ "physical": partition }),
            json!({ "device": partition }),
        ),
    };
    let with = |name: &str, device: Value| {
        let mut devices = below.clone();
        devices[name] = device;
        devices
    };
    let format = json!({
        "passphrase": "open sesame",
        "uuid": SEALED,
        "pbkdf": { "method": "argon2id", "iterations": 4, "memory": 32, "parallelism": 1 },
    });
    let container = on(
        "org.osbuild.luks2.format",
        format,
        json!({ "device": partition }),
    );
    let partitions = [
        (2048, 2048, "21686148-6449-6e6f-744e-656564454649"),
        (4096, 131_072, LINUX),
        (135_168, 393_216, kind),
    ];
    let tree = |name: &str| json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{name}")] });
    let mut devices = with("root", volume("physical", "root"));
    devices["boot"] = boot.clone();
    let table = [
        truncate(disk, "260M"),
        table(&partitions, loopback(disk)),
        on(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": BOOT }),
            json!({ "device": boot }),
        ),
    ];
    let content = [
        on(
            "org.osbuild.lvm2.create",
            json!({ "volumes": [{ "name": "root", "extents": "100%FREE" }] }),
            physical.clone(),
        ),
        on(
            "org.osbuild.lvm2.metadata",
            json!({ "vg_name": group }),
            physical,
        ),
        on(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": ROOT }),
            with("device", volume("physical", "root")),
        ),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [
                { "from": "input://system/", "to": "mount://root/" },
                { "from": "input://initrd/initrd.cpio", "to": "mount://boot/initrd.cpio" },
            ] },
            "inputs": { "system": tree("system"), "initrd": tree("initrd") },
            "devices": devices,
            "mounts": [
                { "name": "root", "type": "org.osbuild.ext4", "source": "root", "target": "/" },
                { "name": "boot", "type": "org.osbuild.ext4", "source": "boot", "target": "/boot" },
            ],
        }),
        manifest::stage(
            "org.osbuild.grub2.inst",
            json!({
                "filename": disk,
                "platform": "i386-pc",
                "location": 2048,
                "core": { "type": "mkimage", "partlabel": "gpt", "filesystem": "ext4", "binary": "grub-mkimage" },
                "prefix": { "type": "partition", "partlabel": "gpt", "number": 1, "path": "/grub2" },
            }),
        ),
    ];
    let container = in_container.then_some(container);
    table.into_iter().chain(container).chain(content).collect()
}
