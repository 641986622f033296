//! Disks that are built without loop devices are those that are built with them.
mod ahead;
mod assemblers;
mod kept;
mod names;
mod partitions;
mod random;
mod refused;
mod same;
mod sectors;
mod uuids;
mod volumes;
mod xfs;

use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest, user};
use serde_json::{Value, json};
use std::path::Path;

/// First sectors and sizes of the partitions: FAT, ext4, btrfs, swap.
const PARTITIONS: [(u64, u64); 4] = [
    (2048, 65536),
    (67584, 262_144),
    (329_728, 262_144),
    (591_872, 20480),
];

fn can_run() -> bool {
    let tools = [
        "sfdisk",
        "mkfs.ext4",
        "mkfs.btrfs",
        "mkfs.fat",
        "mcopy",
        "debugfs",
        "getfattr",
        "e2fsck",
    ];
    machine::offers(&[&user::PROGRAMS[..], &tools].concat())
}

fn loopback(partition: Option<usize>) -> Value {
    let mut options = json!({ "filename": "disk.img" });
    if let Some((start, size)) = partition.map(|partition| PARTITIONS[partition]) {
        options["start"] = start.into();
        options["size"] = size.into();
    }
    json!({ "type": "org.osbuild.loopback", "options": options })
}

fn on_device(module: &str, options: Value, partition: Option<usize>) -> Value {
    json!({ "type": module, "options": options, "devices": { "device": loopback(partition) } })
}

/// A stage that copies from the tree to file systems: names of mounts with type, partition and target.
fn copy(paths: Value, mounts: &[(&str, &str, usize, &str)]) -> Value {
    let devices = mounts
        .iter()
        .map(|(name, _, partition, _)| ((*name).to_owned(), loopback(Some(*partition))));
    let devices: serde_json::Map<_, _> = devices.collect();
    let mounts = mounts.iter().map(|(name, module, _, target)| json!({ "name": name, "type": module, "source": name, "target": target }));
    json!({
        "type": "org.osbuild.copy",
        "options": { "paths": paths },
        "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
        "devices": devices,
        "mounts": mounts.collect::<Vec<_>>(),
    })
}

/// A tree with owners, modes, links and attributes.
fn tree() -> Value {
    let paths = ["/boot/efi/EFI", "/srv/a b", "/tmp", "/etc"]
        .map(|path| json!({ "path": path, "parents": true }));
    let steps = [
        "tree write /run/osbuild/tree/srv/file",
        "tree set-capability /run/osbuild/tree/srv/file",
        "tree set-xattr /run/osbuild/tree/srv/file",
        "tree set-xattr /run/osbuild/tree/srv",
        "tree fifo /run/osbuild/tree/srv/pipe",
        "tree write /run/osbuild/tree/boot/efi/EFI/loader",
    ];
    json!({ "name": "tree", "source-epoch": 1_700_000_000, "stages": [
        manifest::stage("org.osbuild.mkdir", json!({ "paths": paths })),
        manifest::hostname("disk"),
        manifest::stage("test.files", json!({ "steps": steps.map(hostile::step) })),
        manifest::stage("org.osbuild.ln", json!({ "paths": [{ "target": "tree:///srv/a b/link", "link_name": "tree:///srv/link", "symbolic": true }] })),
        manifest::stage("org.osbuild.chown", json!({ "items": { "/srv/a b": { "user": 1234, "group": 60000 } } })),
        manifest::stage("org.osbuild.chmod", json!({ "items": { "/tmp": { "mode": "1777" }, "/srv/a b": { "mode": "2750" } } })),
    ] })
}

fn disk() -> Value {
    let types = [
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
    ];
    let partitions = PARTITIONS.iter().zip(types).enumerate().map(|(number, ((start, size), kind))| {
        json!({ "start": start, "size": size, "type": kind, "uuid": format!("6264d520-3fb9-423f-8ab8-7a0a8e3d356{number}") })
    });
    let table = json!({ "label": "gpt", "uuid": "d209c89e-ea5e-4fbd-b161-b461cce297e0", "partitions": partitions.collect::<Vec<_>>() });
    let uuid = "6264d520-3fb9-423f-8ab8-7a0a8e3d3562";
    let all = [
        ("root", "org.osbuild.ext4", 1, "/"),
        ("efi", "org.osbuild.fat", 0, "/boot/efi"),
    ];
    manifest::of(json!([tree(), { "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "300M" })),
        on_device("org.osbuild.sfdisk", table, None),
        on_device("org.osbuild.mkfs.fat", json!({ "volid": "7B7795E7" }), Some(0)),
        on_device("org.osbuild.mkfs.ext4", json!({ "uuid": uuid, "label": "root", "metadata_csum_seed": true }), Some(1)),
        on_device("org.osbuild.mkfs.btrfs", json!({ "uuid": "7264d520-3fb9-423f-8ab8-7a0a8e3d3562", "label": "data" }), Some(2)),
        on_device("org.osbuild.mkswap", json!({ "uuid": "8264d520-3fb9-423f-8ab8-7a0a8e3d3562" }), Some(3)),
        copy(json!([{ "from": "input://tree/", "to": "mount://root/" }]), &all),
        copy(json!([{ "from": "input://tree/srv", "to": "mount://data/" }]), &[("data", "org.osbuild.btrfs", 2, "/")]),
        // What was copied before is still there.
        copy(json!([{ "from": "mount://root/etc/hostname", "to": "mount://root/srv/again" }, { "from": "mount://efi/EFI/loader", "to": "mount://efi/EFI/again" }]), &all),
    ] }]))
}

fn by_root(scratch: &Scratch, way: &str, file: &Path) -> Ended {
    exported_by_root(scratch, "image", way, file)
}

fn exported_by_root(scratch: &Scratch, pipeline: &str, way: &str, file: &Path) -> Ended {
    Program::new(&format!("run --quiet --export {pipeline} --devices={way}"))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path(way))
        .arg(file)
        .run()
}

/// The same by an ordinary user; the export is in `out`.
fn exported_by_user(scratch: &Scratch, pipeline: &str, file: &Path) {
    user::machine(scratch)
        .run(&format!("run --quiet --export {pipeline}"))
        .option("--store", scratch.path("own"))
        .option("--output-directory", scratch.path("out"))
        .option("--libdir", hostile::library())
        .arg(file)
        .run()
        .expect(0);
}

/// A step of the component that does what it is told, on a path of the tree.
fn step(verb: &str, path: &str, to: &str) -> Value {
    let to = match verb {
        "hard-link" => format!("/run/osbuild/tree/{to}"),
        _ => to.to_owned(),
    };
    json!({ "door": "tree", "do": verb, "path": format!("/run/osbuild/tree/{path}"), "to": to })
}

/// A disk of one XFS file system, filled from a tree.
fn xfs_of(stages: Value) -> Value {
    file_system_of("xfs", stages)
}

/// A disk of one file system of a kind, filled from a tree.
fn file_system_of(kind: &str, stages: Value) -> Value {
    let partition = json!({ "filename": "disk.img", "start": 2048, "size": 655_360 });
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": partition } });
    manifest::of(
        json!([{ "name": "tree", "source-epoch": 1_700_000_000, "stages": stages }, { "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "330M" })),
        { "type": format!("org.osbuild.mkfs.{kind}"), "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "label": "root" }, "devices": device },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
            "devices": device,
            "mounts": [{ "name": "root", "type": format!("org.osbuild.{kind}"), "source": "device", "target": "/" }],
        },
    ] }]),
    )
}
