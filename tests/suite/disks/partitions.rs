//! File systems in one another, mounted by the numbers of their partitions and changed by several stages, are those with loop devices.
use super::same::{LIST, run_on, similar_lines};
use super::{by_root, can_run, exported_by_user};
use osbuild_wasm_tests::{Scratch, hostile, machine, manifest};
use serde_json::{Value, json};

/// First sectors, sizes, types, and what is mounted where: one of each kind.
const PARTITIONS: [(u64, u64, &str, &str); 4] = [
    (2048, 65536, "fat", "/boot/efi"),
    (67584, 65536, "ext4", "/boot"),
    (133_120, 655_360, "xfs", "/var"),
    (788_480, 262_144, "btrfs", "/"),
];

fn part(number: usize, with_size: bool) -> Value {
    let (start, size, ..) = PARTITIONS[number];
    let mut options = json!({ "filename": "/disk.img", "start": start as f64, "lock": true });
    if with_size {
        options["size"] = size.into();
    }
    json!({ "type": "org.osbuild.loopback", "options": options })
}

fn uuid(number: usize) -> String {
    format!("6264d520-3fb9-423f-8ab8-7a0a8e3d357{number}")
}

fn mkfs(number: usize) -> Value {
    let kind = PARTITIONS[number].2;
    let options = match kind {
        "fat" => json!({ "volid": "7B7795E7" }),
        _ => json!({ "uuid": uuid(number) }),
    };
    json!({ "type": format!("org.osbuild.mkfs.{kind}"), "options": options, "devices": { "device": part(number, true) } })
}

fn whole() -> Value {
    let options = json!({ "filename": "disk.img", "partscan": true });
    json!({ "type": "org.osbuild.loopback", "options": options })
}

/// A stage on all file systems, by number of partition, from the outermost on.
fn on_partitions(module: &str, options: Value, read_only: bool) -> Value {
    let mounts = (0..4).rev().map(|number| {
        let (_, _, kind, target) = PARTITIONS[number];
        json!({ "name": kind, "type": format!("org.osbuild.{kind}"), "source": "disk", "target": target, "partition": number + 1, "options": { "readonly": read_only } })
    });
    json!({ "type": module, "options": options, "devices": { "disk": whole() }, "mounts": mounts.collect::<Vec<_>>() })
}

fn of_tree() -> Value {
    json!({ "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } })
}

fn tree() -> Value {
    let paths = ["/boot/efi/EFI", "/srv/a b", "/tmp", "/etc", "/var/lib/own"]
        .map(|path| json!({ "path": path, "parents": true }));
    let steps = [
        "tree write /run/osbuild/tree/srv/file",
        "tree set-xattr /run/osbuild/tree/srv/file",
        "tree hard-link /run/osbuild/tree/srv/file /run/osbuild/tree/srv/same",
        "tree write /run/osbuild/tree/boot/kernel",
        "tree write /run/osbuild/tree/var/lib/data",
        "tree fifo /run/osbuild/tree/var/lib/pipe",
        "tree write /run/osbuild/tree/boot/efi/EFI/loader",
    ];
    json!({ "name": "tree", "source-epoch": 1_700_000_000, "stages": [
        manifest::stage("org.osbuild.mkdir", json!({ "paths": paths })),
        manifest::hostname("disk"),
        manifest::stage("test.files", json!({ "steps": steps.map(hostile::step) })),
        manifest::stage("org.osbuild.chown", json!({ "items": { "/var/lib/own": { "user": 1234, "group": 60000 } } })),
        manifest::stage("org.osbuild.chmod", json!({ "items": { "/tmp": { "mode": "1777" }, "/var/lib/own": { "mode": "2750" } } })),
    ] })
}

fn disk() -> Value {
    let partitions = PARTITIONS.iter().enumerate().map(
        |(number, (start, size, ..))| json!({ "start": start, "size": size, "uuid": uuid(number) }),
    );
    let table = json!({ "label": "gpt", "uuid": "d209c89e-ea5e-4fbd-b161-b461cce297e0", "partitions": partitions.collect::<Vec<_>>() });
    let filled = |paths: Value| {
        let mut stage = on_partitions("org.osbuild.copy", json!({ "paths": paths }), false);
        stage["inputs"] = of_tree();
        stage
    };
    let change = [
        "tree replace-set-id /run/osbuild/mounts/srv/file",
        "tree touch /run/osbuild/mounts/srv/file",
        "tree chmod /run/osbuild/mounts/boot/kernel",
        "tree symlink /run/osbuild/mounts/var/link nowhere",
    ];
    let boots = ["tree chown /run/osbuild/mounts/kernel"];
    // The device is larger than the file system that was made there.
    let boot = |module: &str, options: Value| json!({ "type": module, "options": options, "devices": { "disk": part(1, false) }, "mounts": [{ "name": "boot", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }] });
    let mut read = on_partitions(
        "org.osbuild.copy",
        json!({ "paths": [{ "from": "mount://xfs/lib/data", "to": "tree:///seen" }] }),
        true,
    );
    read["inputs"] = of_tree();
    manifest::of(
        json!([tree(), { "name": "image", "source-epoch": 1_700_000_000, "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "520M" })),
        { "type": "org.osbuild.sfdisk", "options": table, "devices": { "device": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img", "size": 0 } } } },
        mkfs(0), mkfs(1), mkfs(2), mkfs(3),
        filled(json!([{ "from": "input://tree/", "to": "mount://btrfs/" }])),
        on_partitions("org.osbuild.mkdir", json!({ "paths": [{ "path": "mount://xfs/made", "mode": 0o1700 }, { "path": "mount://btrfs/srv/made" }] }), false),
        on_partitions("test.files", json!({ "steps": change.map(hostile::step) }), false),
        boot("test.files", json!({ "steps": boots.map(hostile::step) })),
        read,
        // Into file systems that are filled already.
        filled(json!([{ "from": "input://tree/etc", "to": "mount://btrfs/srv/" }, { "from": "input://tree/boot/kernel", "to": "mount://fat/EFI/kernel" }])),
    ] }]),
    )
}

fn look(scratch: &Scratch, directory: &str) -> String {
    let mut script = format!(
        r#"set -eu
        {LIST}
        mkdir -p "$2"
        sfdisk -d "$1" | grep start=
        "#
    );
    for (start, size, kind, _) in PARTITIONS {
        let at = start * 512;
        script += &match kind {
            "fat" => format!(
                "mdir -/ -b -i \"$1@@{at}\" ::/\nfor file in loader kernel; do mtype -i \"$1@@{at}\" ::/EFI/$file; done\n"
            ),
            _ => format!(
                "attach \"$1\" \"$2\" offset={at},sizelimit={}\nfindmnt -no FSTYPE,UUID \"$2\"; list \"$2\"; umount \"$2\"\n",
                size * 512
            ),
        };
    }
    run_on(
        scratch,
        &scratch.path(&format!("{directory}/image/disk.img")),
        &script,
    )
}

fn tools() -> bool {
    can_run() && machine::offers(&["mkfs.xfs", "xfs_db", "findmnt"])
}

#[test]
fn nested_partitions_that_stages_change_are_the_same_without_loop_devices() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        let seen = std::fs::read(scratch.path(&format!("{way}/image/seen")));
        assert_eq!(seen.expect("what was read"), b"HOSTILE");
        look(&scratch, way)
    });
    for line in [
        "file|f|4755",
        "made|d|1700",
        "kernel|f|777|4242|4242",
        "1234|60000",
        "user.hostile",
    ] {
        assert!(looks[0].contains(line), "{line}: {}", looks[0]);
    }
    similar_lines(&looks[0], &looks[1]);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn an_ordinary_user_builds_nested_partitions_as_root_does() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    by_root(&scratch, "loop", &file).expect(0);
    exported_by_user(&scratch, "image", &file);
    similar_lines(&look(&scratch, "loop"), &look(&scratch, "out"));
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_mount_that_is_read_only_cannot_be_written_without_loop_devices() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let mut document = disk();
    let write = on_partitions(
        "org.osbuild.mkdir",
        json!({ "paths": [{ "path": "mount://ext4/made" }] }),
        true,
    );
    let stages = document["pipelines"][1]["stages"]
        .as_array_mut()
        .expect("stages");
    stages.push(write);
    let file = scratch.json("manifest.json", &document);
    by_root(&scratch, "none", &file)
        .expect(1)
        .says("org.osbuild.mkdir failed")
        .says("ead-only");
}

#[test]
fn a_partition_that_is_not_there_is_an_error_with_its_number() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let mut document = disk();
    let mut more = on_partitions("org.osbuild.noop", json!({}), false);
    more["mounts"][3]["partition"] = 9.into();
    let stages = document["pipelines"][1]["stages"]
        .as_array_mut()
        .expect("stages");
    stages.push(more.clone());
    let file = scratch.json("manifest.json", &document);
    by_root(&scratch, "none", &file)
        .expect(1)
        .says("mount fat (org.osbuild.fat)")
        .says("there is no partition 9");
    // Without a scan there are no partitions to be found: that is known before.
    more["devices"]["disk"]["options"]["partscan"] = false.into();
    let stages = document["pipelines"][1]["stages"]
        .as_array_mut()
        .expect("stages");
    *stages.last_mut().expect("one") = more;
    let file = scratch.json("manifest.json", &document);
    by_root(&scratch, "none", &file)
        .expect(1)
        .says("option `partscan` of device disk")
        .never_says("org.osbuild.truncate");
}
