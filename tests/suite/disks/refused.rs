//! What cannot be built without loop devices, and what goes wrong.
use super::{PARTITIONS, by_root, can_run, copy, loopback, on_device, tree};
use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Scratch, machine, manifest, user};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Stages behind truncate that need a device, and what is said.
pub(super) fn impossible() -> Vec<(Vec<Value>, &'static str)> {
    let ext4 = || {
        on_device(
            "org.osbuild.mkfs.ext4",
            json!({ "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" }),
            Some(1),
        )
    };
    let mounted = |module: &str| {
        let device = loopback(Some(1));
        json!({ "type": "org.osbuild.noop", "devices": { "disk": device }, "mounts": [{ "name": "disk", "type": module, "source": "disk", "target": "/" }] })
    };
    let mut scanned = mounted("org.osbuild.ext4");
    scanned["devices"]["disk"]["options"]["partscan"] = true.into();
    scanned["mounts"][0]["partition"] = 1.into();
    let mut large = on_device("org.osbuild.noop", json!({}), None);
    large["devices"]["device"]["options"]["sector-size"] = 2048.into();
    let open = json!({ "label": "gpt", "uuid": "d209c89e-ea5e-4fbd-b161-b461cce297e0", "partitions": [{ "start": 256 }] });
    let mut open = on_device("org.osbuild.sfdisk", open, None);
    open["devices"]["device"]["options"]["sector-size"] = 4096.into();
    let mut smaller = mounted("org.osbuild.ext4");
    smaller["devices"]["disk"]["options"]["size"] = (PARTITIONS[1].1 / 2).into();
    let mut subvolume = mounted("org.osbuild.btrfs");
    subvolume["mounts"][0]["options"] = json!({ "subvol": "root" });
    let mut luks = on_device(
        "org.osbuild.luks2.format",
        json!({ "passphrase": "a", "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "cipher": "aes-cbc-essiv:sha256", "label": "l", "pbkdf": { "method": "pbkdf2", "iterations": 1000 } }),
        None,
    );
    luks["devices"]["device"] = loopback(Some(1));
    let mapped = |module: &str, options: Value| {
        let below = loopback(Some(1));
        let device = json!({ "type": module, "parent": "below", "options": options });
        json!({ "type": "org.osbuild.noop", "devices": { "below": below, "device": device } })
    };
    let chattr = json!({ "type": "org.osbuild.chattr", "options": { "items": { "mount://disk/": { "immutable": false } } },
        "devices": { "disk": loopback(Some(1)) }, "mounts": [{ "name": "disk", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }] });
    vec![
        (
            vec![mounted("org.osbuild.xfs")],
            "mkfs.xfs has made in an earlier stage",
        ),
        (
            vec![mounted("org.osbuild.squashfs")],
            "org.osbuild.squashfs",
        ),
        (
            vec![mounted("org.osbuild.ext4")],
            "mkfs.ext4 has made in an earlier stage",
        ),
        (
            vec![ext4(), smaller],
            "mkfs.ext4 has made in an earlier stage",
        ),
        (vec![subvolume], "subvolumes"),
        (vec![scanned], "a scan for partitions of a part of a file"),
        (vec![large], "sectors of another size"),
        (vec![open], "a first sector and a size for each partition"),
        (vec![luks], "a block device for cryptsetup"),
        (
            vec![mapped("org.osbuild.luks2", json!({ "passphrase": "a" }))],
            "needs the device mapper",
        ),
        (
            vec![mapped("org.osbuild.lvm2.lv", json!({ "volume": "a" }))],
            "needs the device mapper",
        ),
        (
            vec![on_device(
                "org.osbuild.lvm2.create",
                json!({ "volumes": [{ "name": "a", "size": "1M" }] }),
                Some(1),
            )],
            "a block device for ",
        ),
        (vec![ext4(), chattr], "inode flags of a mounted file system"),
    ]
}

#[test]
fn what_needs_a_device_is_refused_before_the_first_stage() {
    if !can_run() {
        return;
    }
    for (stages, what) in impossible() {
        let scratch = Scratch::new();
        let place = format!(
            ".pipelines[0].stages[{}] ({}): ",
            stages.len(),
            stages.last().expect("one")["type"]
                .as_str()
                .expect("a type")
        );
        let mut all = vec![manifest::stage(
            "org.osbuild.truncate",
            json!({ "filename": "disk.img", "size": "300M" }),
        )];
        all.extend(stages);
        let file = scratch.json("manifest.json", &manifest::tree(all.into()));
        user::machine(&scratch)
            .build("--export tree")
            .arg(file)
            .run()
            .expect(1)
            .says(&place)
            .says(what)
            .says("--devices=loop, or in a virtual machine with --in-vm tree")
            .never_says("org.osbuild.truncate");
    }
}

#[test]
fn a_tree_that_is_too_large_for_its_file_system_is_an_error() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let content = vec![7; 4 << 20];
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    let partition = json!({ "filename": "disk.img", "start": 2048, "size": 4096 });
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": partition } });
    let file = json!({ "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] });
    let mut document = manifest::tree(json!([
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "10M" })),
        { "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" }, "devices": device },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": format!("input://file/{digest}"), "to": "mount://root/large" }] },
            "inputs": { "file": file },
            "devices": device,
            "mounts": [{ "name": "root", "type": "org.osbuild.ext4", "source": "device", "target": "/" }],
        },
    ]));
    document["sources"] = json!({ "org.osbuild.inline": { "items": { digest.clone(): { "encoding": "base64", "data": BASE64_STANDARD.encode(&content) } } } });
    let file = scratch.json("manifest.json", &document);
    user::machine(&scratch).build("--export tree --quiet").arg(file).run().expect(1)
        .says("the ext4 file system of /run/osbuild/mounts cannot be made from its files: mkfs.ext4: ");
    assert!(!scratch.path("out/tree").exists());
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_file_system_that_another_stage_has_written_over_is_not_mounted() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let uuid = json!({ "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" });
    let mounts = [("root", "org.osbuild.ext4", 1, "/")];
    let document = manifest::of(json!([tree(), { "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "300M" })),
        on_device("org.osbuild.mkfs.ext4", uuid.clone(), Some(1)),
        on_device("org.osbuild.mkswap", uuid, Some(1)),
        copy(json!([{ "from": "input://tree/", "to": "mount://root/" }]), &mounts),
    ] }]));
    let file = scratch.json("manifest.json", &document);
    by_root(&scratch, "none", &file)
        .expect(1)
        .says("mount root (org.osbuild.ext4): its file system is not as the stages of this pipeline have made it");
}
