//! Disks that are built without loop devices are those that are built with them.
use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, manifest, user};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;

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

/// A function of sh that lists a directory.
const LIST: &str = r"list() {
    cd $1
    find . -printf '%P|%y|%m|%U|%G|%l|%n\n' | sort
    find . -type f -printf '%P|%s|%T@\n' | sort
    find . -type f -exec sha256sum {} + | sort
    getfattr -R -h -d -m - . | grep -v '^$' || true
    cd /
}";

/// What is in the image: everything that a file system keeps of files, and its parameters.
fn look(scratch: &Scratch, image: &Path) -> String {
    let [(fat, _), (ext4, ext4_size), (btrfs, btrfs_size), (swap, _)] = PARTITIONS;
    let script = format!(
        r#"set -eu
        {LIST}
        sfdisk -d "$1" | grep start=
        mkdir -p "$2"
        mount -t ext4 -o loop,ro,offset=$(({ext4} * 512)),sizelimit=$(({ext4_size} * 512)) "$1" "$2" && list "$2" && umount "$2"
        mount -t btrfs -o loop,ro,offset=$(({btrfs} * 512)),sizelimit=$(({btrfs_size} * 512)) "$1" "$2" && list "$2" && umount "$2"
        dumpe2fs -h "$1?offset=$(({ext4} * 512))" 2>/dev/null | grep -E 'UUID|volume name|Filesystem features|(Inode|Block) (count|size)|Reserved block count'
        e2fsck -fn "$1?offset=$(({ext4} * 512))" >/dev/null 2>&1
        mdir -/ -b -i "$1@@$(({fat} * 512))" ::/
        for file in loader again; do mtype -i "$1@@$(({fat} * 512))" ::/EFI/$file; done
        dd if="$1" bs=512 skip={swap} count=8 status=none | sha256sum
        "#
    );
    run_on(scratch, image, &script)
}

/// What a script of sh says that gets the image and a place to mount it; it has mounts of its own.
fn run_on(scratch: &Scratch, image: &Path, script: &str) -> String {
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(image)
        .arg(scratch.path("mounted"));
    let output = shell.output().expect("sh");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.replace(&*image.to_string_lossy(), "IMAGE")
}

fn by_root(scratch: &Scratch, way: &str, file: &Path) -> Ended {
    Program::new(&format!("run --quiet --export image --devices={way}"))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path(way))
        .arg(file)
        .run()
}

#[test]
fn a_disk_without_loop_devices_is_the_disk_with_them() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        look(&scratch, &scratch.path(&format!("{way}/image/disk.img")))
    });
    assert!(
        looks[0].contains("1234|60000") && looks[0].contains("security.capability"),
        "{}",
        looks[0]
    );
    let [with, without] = looks;
    similar_lines(&with, &without);
    machine::assert_nothing_left(scratch.root());
}

/// Fails with the lines that differ.
#[track_caller]
fn similar_lines(expected: &str, found: &str) {
    let missing: Vec<_> = expected
        .lines()
        .filter(|line| !found.lines().any(|other| other == *line))
        .collect();
    let more: Vec<_> = found
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line))
        .collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing: {missing:#?}\nmore: {more:#?}"
    );
}

#[test]
fn an_ordinary_user_builds_the_disk_that_root_builds() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    by_root(&scratch, "loop", &file).expect(0);
    let user = user::machine(&scratch);
    let store = scratch.path("own");
    let run = user
        .run("run --quiet --export image")
        .option("--store", &store)
        .option("--output-directory", scratch.path("out"));
    run.option("--libdir", hostile::library())
        .arg(&file)
        .run()
        .expect(0);
    let own = look(&scratch, &scratch.path("out/image/disk.img"));
    similar_lines(&look(&scratch, &scratch.path("loop/image/disk.img")), &own);
    let owner = std::os::unix::fs::MetadataExt::uid(
        &scratch
            .path("out/image/disk.img")
            .metadata()
            .expect("the image"),
    );
    assert_eq!(owner, user::ID);
    machine::assert_nothing_left(scratch.root());
}

/// Stages behind truncate that need a device, and what is said.
fn impossible() -> Vec<(Vec<Value>, &'static str)> {
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
    let mut scanned = on_device("org.osbuild.noop", json!({}), None);
    scanned["devices"]["device"]["options"]["partscan"] = true.into();
    let mut large = on_device("org.osbuild.noop", json!({}), None);
    large["devices"]["device"]["options"]["sector-size"] = 4096.into();
    let mut other_size = mounted("org.osbuild.ext4");
    other_size["devices"]["disk"]["options"]["size"] = (PARTITIONS[1].1 * 2).into();
    let mut subvolume = mounted("org.osbuild.btrfs");
    subvolume["mounts"][0]["options"] = json!({ "subvol": "root" });
    let mut luks = on_device(
        "org.osbuild.luks2.format",
        json!({ "passphrase": "a", "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "cipher": "aes-cbc-essiv:sha256", "label": "l", "pbkdf": { "method": "pbkdf2", "iterations": 1000 } }),
        None,
    );
    luks["devices"]["device"] = loopback(Some(1));
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
            vec![ext4(), other_size],
            "mkfs.ext4 has made in an earlier stage",
        ),
        (vec![subvolume], "subvolumes"),
        (vec![scanned], "a scan for partitions"),
        (vec![large], "sectors of another size"),
        (vec![luks], "a block device for cryptsetup"),
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
            .says("--devices=loop")
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

#[test]
fn a_build_does_not_begin_behind_what_filled_a_file_system() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let mut document = disk();
    let file = scratch.json("manifest.json", &document);
    let run = |file: &Path| {
        Program::new("run --quiet --export image --devices=none --checkpoint image")
            .option("--libdir", hostile::library())
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(file)
            .run()
            .expect(0)
    };
    run(&file);
    // One stage more, on a file system that the stored image has already.
    let more = copy(
        json!([{ "from": "mount://root/etc/hostname", "to": "mount://root/srv/more" }]),
        &[("root", "org.osbuild.ext4", 1, "/")],
    );
    document["pipelines"][1]["stages"]
        .as_array_mut()
        .expect("stages")
        .push(more);
    run(&scratch.json("more.json", &document));
    let seen = look(&scratch, &scratch.path("out/image/disk.img"));
    assert!(
        seen.contains("srv/more|f|") && seen.contains("srv/again|f|"),
        "{seen}"
    );
}

/// A disk of one XFS file system, filled from a tree.
fn xfs(stages: Value) -> Value {
    let partition = json!({ "filename": "disk.img", "start": 2048, "size": 655_360 });
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": partition } });
    manifest::of(
        json!([{ "name": "tree", "source-epoch": 1_700_000_000, "stages": stages }, { "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "330M" })),
        { "type": "org.osbuild.mkfs.xfs", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "label": "root" }, "devices": device },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
            "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
            "devices": device,
            "mounts": [{ "name": "root", "type": "org.osbuild.xfs", "source": "device", "target": "/" }],
        },
    ] }]),
    )
}

#[test]
fn a_disk_of_xfs_is_the_same_without_loop_devices() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair"]) {
        return;
    }
    let paths =
        ["/srv/shared/below", "/tmp", "/etc"].map(|path| json!({ "path": path, "parents": true }));
    let steps = [
        "tree fifo /run/osbuild/tree/srv/pipe",
        "tree write /run/osbuild/tree/srv/\"quoted\"",
    ];
    let items = json!({ "/tmp": { "mode": "1777" }, "/srv/shared": { "mode": "2750" }, "/etc/hostname": { "mode": "6755" } });
    let document = xfs(json!([
        manifest::stage("org.osbuild.mkdir", json!({ "paths": paths })),
        manifest::hostname("disk"),
        manifest::stage("test.files", json!({ "steps": steps.map(hostile::step) })),
        manifest::stage(
            "org.osbuild.ln",
            json!({ "paths": [{ "target": "shared/below", "link_name": "tree:///srv/link", "symbolic": true }] })
        ),
        manifest::stage(
            "org.osbuild.chown",
            json!({ "items": { "/srv/shared": { "user": 1234, "group": 60000 } } })
        ),
        manifest::stage("org.osbuild.chmod", json!({ "items": items })),
    ]));
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document);
    let script = format!(
        r#"set -eu
        {LIST}
        mkdir -p "$2"
        mount -t xfs -o loop,ro,norecovery,offset=1048576,sizelimit=335544320 "$1" "$2" && list "$2" && umount "$2"
        dd if="$1" of="$2.xfs" bs=1M skip=1 count=320 conv=sparse status=none
        xfs_repair -n -f "$2.xfs" >/dev/null 2>&1
        xfs_db -r -f -c info "$2.xfs"
        "#
    );
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        run_on(
            &scratch,
            &scratch.path(&format!("{way}/image/disk.img")),
            &script,
        )
    });
    assert!(looks[0].contains("1234|60000"), "{}", looks[0]);
    similar_lines(&looks[0], &looks[1]);
}

#[test]
fn what_mkfs_of_xfs_would_lose_is_an_error() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db"]) {
        return;
    }
    let paths = json!({ "paths": [{ "path": "/a b" }] });
    let attribute = json!({ "steps": [hostile::step("tree set-xattr /run/osbuild/tree/c")] });
    for (stage, what) in [
        (
            manifest::stage("org.osbuild.mkdir", paths.clone()),
            "blanks in names or links",
        ),
        (
            manifest::stage("test.files", attribute),
            "attributes of files",
        ),
    ] {
        let scratch = Scratch::new();
        let made = manifest::stage("org.osbuild.mkdir", json!({ "paths": [{ "path": "/c" }] }));
        let file = scratch.json("manifest.json", &xfs(json!([made, stage])));
        by_root(&scratch, "none", &file)
            .expect(1)
            .says("the xfs file system of /run/osbuild/mounts cannot be made from its files")
            .says(what);
    }
}

/// Stages that make a partition table.
fn partitioners() -> Vec<Value> {
    let table = |label: &str, uuid: &str, kinds: [&str; 2]| {
        json!({ "label": label, "uuid": uuid, "partitions": [
            { "start": 2048, "size": 4096, "type": kinds[0], "bootable": true },
            { "start": 8192, "size": 2048, "type": kinds[1] },
        ] })
    };
    let guids = [
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
    ];
    let named = [
        "d209c89e-ea5e-4fbd-b161-b461cce297e1",
        "d209c89e-ea5e-4fbd-b161-b461cce297e2",
    ];
    let mut sgdisk = table("gpt", "d209c89e-ea5e-4fbd-b161-b461cce297e0", guids);
    let mut sfdisk = sgdisk.clone();
    for number in 0..2 {
        sgdisk["partitions"][number]["uuid"] = named[number].into();
        sfdisk["partitions"][number]["uuid"] = named[number].into();
        sgdisk["partitions"][number]["name"] = "name".into();
    }
    sgdisk["partitions"][0]["bootable"] = false.into();
    let parted = json!({ "label": "gpt", "partitions": [{ "start": 2048, "size": 4096, "name": "bios", "type": "bios_grub" }, { "start": 8192, "size": 2048, "bootable": true }] });
    vec![
        on_device("org.osbuild.sfdisk", sfdisk, None),
        on_device(
            "org.osbuild.sfdisk",
            table("dos", "0x14fc63d2", ["c", "83"]),
            None,
        ),
        on_device("org.osbuild.sgdisk", sgdisk, None),
        on_device("org.osbuild.parted", parted, None),
    ]
}

#[test]
fn partition_tables_are_the_same_without_loop_devices() {
    if !can_run() || !machine::offers(&["sgdisk", "parted"]) {
        return;
    }
    for stage in partitioners() {
        let scratch = Scratch::new();
        let image = manifest::stage(
            "org.osbuild.truncate",
            json!({ "filename": "disk.img", "size": "10M" }),
        );
        let document = manifest::of(json!([{ "name": "image", "stages": [image, stage] }]));
        let file = scratch.json("manifest.json", &document);
        let looks = ["loop", "none"].map(|way| {
            by_root(&scratch, way, &file).expect(0);
            let dump = Command::new("sfdisk")
                .arg("-d")
                .arg(scratch.path(&format!("{way}/image/disk.img")))
                .output();
            let dump = String::from_utf8_lossy(&dump.expect("sfdisk").stdout)
                .replace(&format!("/{way}/"), "/");
            let random = |line: &&str| {
                stage["type"] != "org.osbuild.parted" || !line.starts_with("label-id")
            };
            let line = |line: &str| match stage["type"] == "org.osbuild.parted" {
                true => line.split(", uuid=").next().unwrap_or_default().to_owned(),
                false => line.to_owned(),
            };
            dump.lines()
                .filter(random)
                .map(line)
                .collect::<Vec<_>>()
                .join("\n")
        });
        assert!(looks[0].contains("start="), "{}", looks[0]);
        assert_eq!(looks[0], looks[1], "{}", stage["type"]);
    }
}

#[test]
fn a_killed_build_of_an_ordinary_user_leaves_nothing() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    let user = user::machine(&scratch);
    let build = || {
        user.build("--quiet --export image")
            .option("--libdir", hostile::library())
            .arg(&file)
    };
    // The first one compiles components.
    build().run().expect(0);
    let remove = |name: &str| std::fs::remove_dir_all(scratch.path(name)).expect("root may");
    remove("out");
    let whole = build().run().expect(0).took;
    remove("out");
    let mut killed = 0;
    for moment in 1..=8_u32 {
        let mut running = build().start();
        std::thread::sleep(whole * moment / 9);
        if running.has_ended() {
            remove("out");
            continue;
        }
        running.signal_group(Signal::KILL);
        killed += u32::from(running.wait().code() == 137);
        machine::assert_nothing_left(scratch.root());
    }
    assert!(
        killed >= 3,
        "only {killed} builds were killed in their middle"
    );
    build().run().expect(0);
    let left = std::fs::read_dir(scratch.path("store/scratch"))
        .expect("a store")
        .count();
    assert_eq!(left, 0, "what killed builds left is removed by the next");
}
