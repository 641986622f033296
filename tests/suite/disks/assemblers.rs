//! Assemblers and stages that attach and mount themselves make the same without loop devices.
use super::same::{LIST, run_on, similar_lines};
use super::{can_run, exported_by_root, exported_by_user};
use osbuild_wasm_tests::{Scratch, hostile, machine, manifest};
use serde_json::{Value, json};

const UUIDS: [&str; 4] = [
    "6264d520-3fb9-423f-8ab8-7a0a8e3d3562",
    "7264d520-3fb9-423f-8ab8-7a0a8e3d3562",
    "8264d520-3fb9-423f-8ab8-7a0a8e3d3562",
    "7B77-95E7",
];

fn named(name: &str, options: Value) -> Value {
    json!({ "name": name, "options": options })
}

/// A manifest of version 1 whose tree has owners, modes, links, hard links and attributes.
fn document(assembler: Value) -> Value {
    let paths = [
        "/boot/efi/EFI",
        "/boot/grub2",
        "/srv/own",
        "/tmp",
        "/etc",
        "/var/lib",
    ]
    .map(|path| json!({ "path": path, "parents": true }));
    let mut steps = vec![
        "tree write /run/osbuild/tree/srv/file",
        "tree write /run/osbuild/tree/var/lib/data",
        "tree write /run/osbuild/tree/boot/kernel",
        "tree fifo /run/osbuild/tree/srv/pipe",
        "tree write /run/osbuild/tree/boot/efi/EFI/loader",
        "tree set-capability /run/osbuild/tree/srv/file",
        "tree set-xattr /run/osbuild/tree/srv",
        "tree hard-link /run/osbuild/tree/srv/file /run/osbuild/tree/srv/same",
    ];
    let files = [
        "srv/file",
        "var/lib/data",
        "boot/kernel",
        "boot/efi/EFI/loader",
        "etc/hostname",
    ];
    let touched = files.map(|path| format!("tree touch /run/osbuild/tree/{path}"));
    steps.extend(touched.iter().map(String::as_str));
    let steps: Vec<_> = steps.into_iter().map(hostile::step).collect();
    let link = json!({ "target": "own/there", "link_name": "tree:///srv/link", "symbolic": true });
    json!({ "pipeline": {
        "stages": [
            named("org.osbuild.mkdir", json!({ "paths": paths })),
            named("org.osbuild.hostname", json!({ "hostname": "disk" })),
            named("test.files", json!({ "steps": steps })),
            named("org.osbuild.ln", json!({ "paths": [link] })),
            named("org.osbuild.chown", json!({ "items": { "/srv/own": { "user": 1234, "group": 60000 } } })),
            named("org.osbuild.chmod", json!({ "items": { "/tmp": { "mode": "1777" }, "/srv/own": { "mode": "2750" } } })),
        ],
        "assembler": assembler,
    } })
}

fn rawfs(kind: &str) -> Value {
    let options = json!({ "filename": "disk.img", "root_fs_uuid": UUIDS[0], "size": 400 << 20, "fs_type": kind });
    named("org.osbuild.rawfs", options)
}

/// Everything that a file system of the whole image has.
fn look_at(scratch: &Scratch, kind: &str, file: &str) -> String {
    let script = format!(
        r#"set -eu
        {LIST}
        mkdir -p "$2"
        attach "$1" "$2" offset=0 && list "$2" && umount "$2"
        blkid -p -s UUID -s TYPE -o value "$1"
        case {kind} in
        ext4) e2fsck -fn "$1" >/dev/null 2>&1 && dumpe2fs -h "$1" 2>/dev/null | grep -E 'UUID|Filesystem features|(Inode|Block) (count|size)' ;;
        xfs) xfs_repair -n -f "$1" >/dev/null 2>&1 && xfs_db -r -f -c info "$1" ;;
        btrfs) btrfs check "$1" >/dev/null 2>&1 ;;
        esac
        "#
    );
    run_on(scratch, &scratch.path(file), &script)
}

#[test]
fn a_raw_file_system_without_loop_devices_is_the_one_with_them() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair", "btrfs"]) {
        return;
    }
    for kind in ["ext4", "xfs", "btrfs"] {
        let scratch = Scratch::new();
        let file = scratch.json("manifest.json", &document(rawfs(kind)));
        let looks = ["loop", "none"].map(|way| {
            exported_by_root(&scratch, "assembler", way, &file).expect(0);
            look_at(&scratch, kind, &format!("{way}/assembler/disk.img"))
        });
        assert!(looks[0].contains("1234|60000"), "{kind}: {}", looks[0]);
        similar_lines(&looks[0], &looks[1]);
        machine::assert_nothing_left(scratch.root());
    }
}

/// A disk with a file system of each kind, in one another's directories.
fn qemu(format: &str, var: &str) -> Value {
    let on = |kind: &str, uuid: &str, mountpoint: &str| json!({ "type": kind, "uuid": uuid, "mountpoint": mountpoint, "label": "label" });
    let partitions = json!([
        { "start": 2048, "size": 204_800, "bootable": true, "type": "83", "filesystem": on("ext4", UUIDS[1], "/boot") },
        { "start": 206_848, "size": 65536, "type": "c", "filesystem": on("vfat", UUIDS[3], "/boot/efi") },
        { "start": 272_384, "size": 655_360, "type": "83", "filesystem": on(var, UUIDS[2], "/var") },
        { "start": 927_744, "type": "83", "filesystem": on("ext4", UUIDS[0], "/") },
    ]);
    let filename = format!("disk.{format}");
    named(
        "org.osbuild.qemu",
        json!({ "format": format, "filename": filename, "size": 600 << 20, "ptuuid": "0x14fc63d2", "pttype": "dos", "partitions": partitions }),
    )
}

/// Table, boot loader and all file systems of a disk image.
fn look_at_disk(scratch: &Scratch, file: &str) -> String {
    let script = format!(
        r#"set -eu
        {LIST}
        raw="$2.raw"
        qemu-img convert -O raw "$1" "$raw"
        sfdisk -d "$raw" | grep -E 'start=|label' | sed "s|$raw||"
        dd if="$raw" bs=512 count=2048 status=none | sha256sum
        mkdir -p "$2"
        for part in 2048:204800 272384:655360 927744:301056; do
            start=$((${{part%:*}} * 512)); size=$((${{part#*:}} * 512))
            attach "$raw" "$2" offset=$start,sizelimit=$size
            echo "at $start"; findmnt -no FSTYPE,LABEL,UUID "$2"; list "$2"; umount "$2"
        done
        mdir -/ -b -i "$raw@@$((206848 * 512))" ::/
        mtype -i "$raw@@$((206848 * 512))" ::/EFI/loader
        rm "$raw"
        "#
    );
    run_on(scratch, &scratch.path(file), &script)
}

#[test]
fn a_disk_of_the_assembler_without_loop_devices_is_the_one_with_them() {
    let tools = ["qemu-img", "grub-mkimage", "mkfs.xfs", "xfs_db", "findmnt"];
    if !can_run() || !machine::offers(&tools) {
        return;
    }
    for (format, var) in [("raw", "btrfs"), ("qcow2", "xfs")] {
        let scratch = Scratch::new();
        let file = scratch.json("manifest.json", &document(qemu(format, var)));
        let looks = ["loop", "none"].map(|way| {
            exported_by_root(&scratch, "assembler", way, &file).expect(0);
            look_at_disk(&scratch, &format!("{way}/assembler/disk.{format}"))
        });
        assert!(looks[0].contains("1234|60000"), "{format}: {}", looks[0]);
        similar_lines(&looks[0], &looks[1]);
        machine::assert_nothing_left(scratch.root());
    }
}

#[test]
fn an_ordinary_user_assembles_the_disk_that_root_does() {
    if !can_run() || !machine::offers(&["qemu-img", "grub-mkimage", "findmnt"]) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document(qemu("raw", "xfs")));
    exported_by_root(&scratch, "assembler", "loop", &file).expect(0);
    exported_by_user(&scratch, "assembler", &file);
    let looks =
        ["loop", "out"].map(|of| look_at_disk(&scratch, &format!("{of}/assembler/disk.raw")));
    similar_lines(&looks[0], &looks[1]);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn a_disk_whose_loader_works_on_the_mounted_disk_is_refused_before_the_first_stage() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let mut assembler = qemu("raw", "ext4");
    assembler["options"]["bootloader"] = json!({ "type": "zipl" });
    let file = scratch.json("manifest.json", &document(assembler));
    exported_by_root(&scratch, "assembler", "none", &file)
        .expect(1)
        .says("(org.osbuild.qemu): it needs a block device for zipl")
        .says("--devices=loop")
        .never_says("org.osbuild.mkdir");
}

#[test]
fn what_a_component_attaches_without_loop_devices_is_a_part_of_an_image_of_its_tree() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let secret = scratch.write("outside/image", vec![7; 1 << 20]);
    let link = |to: &str, name: &str| json!({ "target": to, "link_name": format!("tree:///{name}"), "symbolic": true });
    let links = [
        link(&secret.to_string_lossy(), "absolute"),
        link("/etc/passwd", "passwd"),
    ];
    let disk = "/run/osbuild/tree/disk.img";
    let attach = [
        "/run/osbuild/tree/absolute",
        "/run/osbuild/tree/passwd",
        "/run/osbuild/tree/../../../etc/passwd",
        "/run/osbuild/tree",
        "/dev/loop0",
    ];
    // The second has bytes of the first, and the last ends behind the image.
    let together = [
        (disk, 0, 1 << 20),
        (disk, 4096, 512),
        (disk, 1 << 20, 512),
        (disk, 4 << 20, 512),
    ];
    let options = json!({ "attach": attach, "together": together, "leak": disk });
    let document = manifest::of(json!([{ "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "4M" })),
        manifest::stage("org.osbuild.ln", json!({ "paths": links })),
        manifest::stage("test.devices", options),
    ] }]));
    let file = scratch.json("manifest.json", &document);
    let ended = exported_by_root(&scratch, "image", "none", &file).expect(1);
    let all = ended.all();
    assert_eq!(all.matches(&format!("keep {disk} ")).count(), 4, "{all}");
    assert_eq!(all.matches(": kept").count(), 2, "{all}");
    ended
        .says("a part of it that this one overlaps")
        .says("the part ends behind the end of the file")
        .says("leak /run/osbuild/tree/disk.img: refused: ")
        .never_says("attach /run/osbuild/tree/absolute: /dev");
    machine::assert_nothing_left(scratch.root());
}
