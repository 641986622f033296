//! What programs that make file systems of directories lose is there all the same.
use super::random::{age, archive, document, kinds, looked_at};
use super::same::{run_on, similar_lines};
use super::{can_run, exported_by_root, step};
use osbuild_wasm_tests::{Scratch, machine};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::Path;

fn tools() -> bool {
    can_run() && machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair", "tar"])
}

/// A tree whose root has everything that a directory can have, with nodes, links and names that prototypes cannot say.
fn plant(tree: &Path) {
    fs::create_dir_all(tree.join("boot")).unwrap();
    for (name, kind, device) in [
        ("console", FileType::CharacterDevice, makedev(5, 1)),
        ("large", FileType::BlockDevice, makedev(511, 70_000)),
    ] {
        let mode = Mode::from_raw_mode(0o640);
        mknodat(CWD, tree.join(name), kind, mode, device).unwrap();
    }
    symlink("boot", tree.join("link")).unwrap();
    for number in 0..40 {
        fs::write(tree.join(format!("boot/odd name {number}")), "odd").unwrap();
        fs::hard_link(tree.join("link"), tree.join(format!("boot/link {number}"))).unwrap();
    }
    chown(tree, Some(1000), Some(5)).unwrap();
    fs::set_permissions(tree, Permissions::from_mode(0o2750)).unwrap();
    let time = Timespec {
        tv_sec: 1_500_000_000,
        tv_nsec: 123_456_789,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for path in ["", "boot", "boot/odd name 7", "console"] {
        utimensat(CWD, tree.join(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

#[test]
fn roots_nodes_links_and_odd_names_are_the_same_without_loop_devices() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let (tree, tar) = (scratch.path("planted"), scratch.path("tree.tar"));
    plant(&tree.join("root"));
    age(&tree);
    let digest = archive(&tree, &tar);
    for (kind, options, size) in kinds().into_iter().filter(|kind| kind.0 != "fat") {
        let steps = [
            step("set-xattr", "root", "user.note=3"),
            step("set-xattr", "root", "user.large=700"),
            step("set-xattr", "root", "security.note=30"),
            step("set-capability", "root/boot/odd name 7", ""),
        ];
        let mut document = document(kind, (&options, size), (&tar, &digest), &steps);
        document["pipelines"][1]["stages"][2]["options"]["paths"][0]["from"] =
            "input://tree/root/".into();
        let file = scratch.json(&format!("{kind}.json"), &document);
        let looks = ["loop", "none"].map(|way| looked_at(&scratch, way, kind, &file));
        for there in [
            "|d|2750|1000|5|",
            "security.note",
            "boot/link 7|l|777|0|0|boot|41",
        ] {
            assert!(looks[0].contains(there), "{kind}: {there}: {}", looks[0]);
        }
        similar_lines(&looks[0], &looks[1]);
    }
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn files_larger_than_their_disk_keep_their_holes() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let (tree, tar) = (scratch.path("planted"), scratch.path("tree.tar"));
    fs::create_dir_all(tree.join("boot")).unwrap();
    let places = [0, 5_000_000, 4 << 30, (8 << 30) - 100];
    let sparse = File::create(tree.join("sparse")).unwrap();
    sparse.set_len(8 << 30).unwrap();
    for at in places {
        sparse
            .write_all_at(format!("data at {at}").as_bytes(), at)
            .unwrap();
    }
    File::create(tree.join("empty"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let digest = archive(&tree, &tar);
    let reads =
        places.map(|at| format!("dd if=\"$2/sparse\" bs=1 skip={at} count=20 status=none | od -c"));
    for (kind, options, size) in kinds().into_iter().filter(|kind| kind.0 != "fat") {
        let document = document(kind, (&options, size), (&tar, &digest), &[]);
        let file = scratch.json(&format!("{kind}.json"), &document);
        let nouuid = if kind == "xfs" {
            ",nouuid,norecovery"
        } else {
            ""
        };
        let script = format!(
            "set -eu\nmkdir -p \"$2\"\nmount -t {kind} -o loop,ro{nouuid} \"$1\" \"$2\"\n\
             find \"$2\" -type f -printf '%P %s %m\\n' | sort\n\
             test $(stat -c %b \"$2/sparse\") -lt 20000\n{}\numount \"$2\"",
            reads.join("\n")
        );
        let looks = ["loop", "none"].map(|way| {
            exported_by_root(&scratch, "image", way, &file).expect(0);
            let image = scratch.path(&format!("{way}/image/disk.img"));
            let seen = run_on(&scratch, &image, &script);
            fs::remove_dir_all(scratch.path(way)).unwrap();
            seen
        });
        assert!(looks[0].contains("sparse 8589934592"), "{}", looks[0]);
        similar_lines(&looks[0], &looks[1]);
    }
    machine::assert_nothing_left(scratch.root());
}
