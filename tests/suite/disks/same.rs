//! What comes out is what comes out with loop devices, for root and for an ordinary user.
use super::{PARTITIONS, by_root, can_run, copy, disk, exported_by_user, on_device, xfs_of};
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest, user};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A function of sh that lists a directory.
pub(super) const LIST: &str = r"list() {
    cd $1
    find . -printf '%P|%y|%m|%U|%G|%l|%n\n' | sort
    find . -type f -printf '%P|%s|%T@\n' | sort
    find . -type f -exec sha256sum {} + | sort
    getfattr -R -h -d -m - . | grep -v '^$' || true
    cd /
}
# Other tests may have mounted an XFS of the same UUID.
attach() {
    mount -o loop,ro,$3,nouuid $1 $2 2>/dev/null || mount -o loop,ro,$3 $1 $2
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
pub(super) fn run_on(scratch: &Scratch, image: &Path, script: &str) -> String {
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
pub(super) fn similar_lines(expected: &str, found: &str) {
    if let Some(differences) = different_lines(expected, found) {
        panic!("{differences}");
    }
}

/// The lines that only one of them has.
pub(super) fn different_lines(expected: &str, found: &str) -> Option<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (expected, found) = (lines(expected), lines(found));
    let missing: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    let differ = !(missing.is_empty() && more.is_empty());
    differ.then(|| format!("missing: {missing:#?}\nmore: {more:#?}"))
}

#[test]
fn an_ordinary_user_builds_the_disk_that_root_builds() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    by_root(&scratch, "loop", &file).expect(0);
    exported_by_user(&scratch, "image", &file);
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
    let document = xfs_of(json!([
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
        attach "$1" "$2" norecovery,offset=1048576,sizelimit=335544320 && list "$2" && umount "$2"
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
