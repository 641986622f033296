//! File systems of random trees: what comes out without loop devices is what comes out with them.
//!
//! Trials are random but always the same ones. `DISK_TRIALS=FIRST-LAST` tries others; what fails is named by its number.
use super::same::{different_lines, run_on};
use super::{can_run, exported_by_root, step};
use crate::tools::random::Random;
use crate::tools::trees::fill;
use osbuild_wasm_tests::{Scratch, machine, manifest};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Trials where the environment names none.
const TRIALS: std::ops::RangeInclusive<u64> = 1..=2;

/// Names that some program on the way might take for something else.
const NAMES: [&str; 28] = [
    "a",
    "b",
    "etc",
    "file",
    "x y",
    " ",
    "  ",
    ":",
    ":a",
    "$",
    "$$",
    "-",
    "--",
    "-n",
    "\"",
    "\"q\"",
    "'",
    "\\",
    "a\\b",
    "#",
    "tab\tname",
    "é",
    "雪",
    "a:b",
    "%",
    "*",
    "~",
    "name-of-some-length-with-a-number-0123456789",
];

/// Names of FAT.
const SHORT: [&str; 8] = [
    "a",
    "LOADER.EFI",
    "Long name of a file.txt",
    "b.c",
    "kernel",
    "é",
    "x y",
    "UPPER",
];

/// The file systems: mkfs of which options, and the size of the image in MiB.
pub(super) fn kinds() -> Vec<(&'static str, Value, u64)> {
    let uuid = "6264d520-3fb9-423f-8ab8-7a0a8e3d3562";
    vec![
        ("ext4", json!({ "uuid": uuid }), 200),
        ("xfs", json!({ "uuid": uuid }), 320),
        ("btrfs", json!({ "uuid": uuid }), 300),
        ("fat", json!({ "volid": "7B7795E7" }), 64),
    ]
}

/// A list of everything that a file system keeps of files.
const LIST: &str = r#"set -eu
list() {
    cd "$1"
    find . -printf '%P|%y|%m|%U|%G|%l|%n\n' | sort
    find . -type f -printf '%P|%s|%T@\n' | sort
    find . ! -type f ! -path ./lost+found -printf '%P|%T@\n' | sort
    find . \( -type b -o -type c \) -exec stat -c '%n|%F|%t|%T' {} + | sort
    find . -type f -exec sha256sum {} + | sort
    find . -type f -links +1 -printf '%i|%P\n' | sort | awk -F'|' '$1 != last { first = $2; last = $1 } { print $2 " as " first }'
    find . -type f -size +4096k -printf '%S|%P\n' | awk -F'|' '{ print ($1 < 0.5 ? "sparse " : "whole ") $2 }' | sort
    getfattr -R -h -d -m - -e hex . | grep -v '^$' || true
    cd /
}
mkdir -p "$2"
"#;

fn trials() -> std::ops::RangeInclusive<u64> {
    let of = |text: String| {
        let (first, last) = text.split_once('-')?;
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    std::env::var("DISK_TRIALS")
        .ok()
        .and_then(of)
        .unwrap_or(TRIALS)
}

/// Fills a directory with what trees have, and what they could have; the steps that do the rest.
fn plant(random: &mut Random, tree: &Path) -> Vec<Value> {
    let number = 20 + random.below(120);
    let paths = fill(random, tree, &NAMES, number);
    for number in 0..random.below(8) {
        extra(random, &tree.join(format!("extra{number}")), &paths, tree);
    }
    let mut steps = Vec::new();
    for path in &paths {
        if random.chance(10) {
            stamp(random, &tree.join(&path[1..]));
        }
        for _ in 0..random.value(&[0, 0, 0, 0, 1, 1, 3]) {
            steps.extend(attribute(random, tree, &path[1..]));
        }
    }
    // The root is a directory like others.
    if random.chance(50) {
        lchown(tree, Some(1000), Some(random.value(&[0, 5]))).unwrap();
        let mode = random.value(&[0o755, 0o700, 0o1777, 0o2775]);
        fs::set_permissions(tree, Permissions::from_mode(mode)).unwrap();
        for _ in 0..random.below(3) {
            steps.extend(attribute(random, tree, ""));
        }
    }
    stamp(random, tree);
    // Archives of this kind have no line ends in what their records hold.
    steps.extend(["line\nend", "\n", "a\n b"].map(|name| step("write", name, "")));
    steps
}

fn extra(random: &mut Random, place: &Path, paths: &[String], tree: &Path) {
    match random.below(8) {
        0 => {
            let kind = random.value(&[FileType::CharacterDevice, FileType::BlockDevice]);
            let (major, minor) = (
                random.value(&[1, 8, 259, 511]),
                random.value(&[0, 3, 255, 1000]),
            );
            mknodat(
                CWD,
                place,
                kind,
                Mode::from_raw_mode(0o640),
                makedev(major, minor),
            )
            .unwrap();
        }
        1 => mknodat(CWD, place, FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap(),
        2 => {
            let mut deep = place.to_owned();
            for _ in 0..random.below(60) {
                deep.push(random.of(&["d", "deeper", "a directory"]));
            }
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join("end"), "end").unwrap();
        }
        3 => {
            fs::create_dir(place).unwrap();
            let long = "n".repeat(random.below(180));
            for number in 0..random.value(&[30, 300, 2500]) {
                let name = match random.below(6) {
                    0 => format!("{long} {number}"),
                    1 => format!("{number}\t"),
                    _ => format!("{long}{number}"),
                };
                fs::write(place.join(name), []).unwrap();
            }
        }
        4 => {
            let file = fs::File::create(place).unwrap();
            file.set_len(random.value(&[1, 4095, 1 << 20, 64 << 20]))
                .unwrap();
            for _ in 0..random.below(4) {
                let at = random.below(1 << 20) as u64;
                file.write_all_at(
                    &vec![1 + random.below(255) as u8; random.value(&[1, 5000, 70_000])],
                    at,
                )
                .unwrap();
            }
        }
        5 => symlink(
            random.of(&["a b", "x/"]).repeat(1 + random.below(300)),
            place,
        )
        .unwrap(),
        6 => {
            let mut files = paths.iter().map(|path| tree.join(&path[1..]));
            let file =
                files.rfind(|file| file.symlink_metadata().is_ok_and(|found| !found.is_dir()));
            let Some(file) = file else { return };
            fs::create_dir(place).unwrap();
            for number in 0..random.value(&[2, 40, 300]) {
                fs::hard_link(&file, place.join(format!("link {number}"))).unwrap();
            }
        }
        _ => fs::write(
            place,
            vec![random.below(256) as u8; random.value(&[0, 1, 100, 4096, 1 << 20])],
        )
        .unwrap(),
    }
    stamp(random, place);
}

/// A step that gives something at a path in the tree an attribute: archives bring none.
fn attribute(random: &mut Random, tree: &Path, path: &str) -> Option<Value> {
    let metadata = fs::symlink_metadata(tree.join(path)).unwrap();
    if metadata.is_symlink() || !(metadata.is_dir() || metadata.is_file()) {
        return None;
    }
    if metadata.is_file() && random.chance(25) {
        return Some(step("set-capability", path, ""));
    }
    let name = random.of(&["user.a", "user.a.b", "user.large", "security.note"]);
    let length = random.value(&[1, 2, 60, 200, 250]);
    Some(step("set-xattr", path, &format!("{name}={length}")))
}

/// A time that files have, or could have.
fn stamp(random: &mut Random, place: &Path) {
    let time = Timespec {
        tv_sec: random.value(&[
            0,
            1,
            1_700_000_000,
            2_147_483_647,
            2_500_000_000,
            1_000_000_000,
        ]),
        tv_nsec: random.value(&[0, 1, 999_999_999, 500]),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// An archive with everything that is in a directory; its digest.
pub(super) fn archive(tree: &Path, to: &Path) -> String {
    let options = ["--format=posix", "--numeric-owner", "--sparse", "-C"];
    let made = Command::new("tar")
        .args(options)
        .arg(tree)
        .arg("-cf")
        .arg(to)
        .arg(".")
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    format!(
        "sha256:{}",
        hex::encode(Sha256::digest(fs::read(to).unwrap()))
    )
}

/// A manifest with one pipeline for a tree and one for its file system.
pub(super) fn document(
    kind: &str,
    (options, size): (&Value, u64),
    (archive, digest): (&Path, &str),
    steps: &[Value],
) -> Value {
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } } });
    let mut copy = json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
        "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
        "devices": device,
        "mounts": [{ "name": "root", "type": format!("org.osbuild.{kind}"), "source": "device", "target": "/" }],
    });
    if kind == "fat" {
        copy["options"]["paths"][0]["from"] = "input://tree/boot/".into();
    }
    let untar = json!({ "type": "org.osbuild.untar", "inputs": { "file": {
        "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } } });
    let files = manifest::stage("test.files", json!({ "steps": steps }));
    let mut document = manifest::of(json!([
        { "name": "tree", "source-epoch": 1_700_000_000, "stages": [untar, files] },
        { "name": "image", "stages": [
            manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": format!("{size}M") })),
            { "type": format!("org.osbuild.mkfs.{kind}"), "options": options, "devices": device },
            copy,
        ] },
    ]));
    let items = json!({ digest: { "url": format!("file://{}", archive.display()) } });
    document["sources"] = json!({ "org.osbuild.curl": { "items": items } });
    document
}

fn look(scratch: &Scratch, image: &Path, kind: &str) -> String {
    let script = match kind {
        "fat" => r#"mdir -/ -b -i "$1" ::/ || true; mcopy -s -m -n -i "$1" ::/ "$2" || true; rm -rf "$2"/lost; find "$2" -type f -printf '%P|%s|%T@\n'"#.to_owned(),
        _ => {
            let check = match kind {
                "ext4" => "e2fsck -fn \"$1\" >/dev/null 2>&1",
                "xfs" => "xfs_repair -n -f \"$1\" >/dev/null 2>&1",
                _ => "btrfs check \"$1\" >/dev/null 2>&1",
            };
            let nouuid = if kind == "xfs" { ",nouuid,norecovery" } else { "" };
            format!("{check}\nmount -t {kind} -o loop,ro{nouuid} \"$1\" \"$2\"\nlist \"$2\"\numount \"$2\"")
        }
    };
    let text = run_on(scratch, image, &format!("{LIST}{script}"));
    text.replace(&*scratch.path("mounted").to_string_lossy(), "")
}

/// Gives what was made just now another time, which no build takes for its own.
pub(super) fn age(directory: &Path) {
    let time = Timespec {
        tv_sec: 1_600_000_000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            age(&path);
        }
        if (1_700_000_001..2_000_000_000).contains(&metadata.mtime()) {
            utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
    }
}

fn tree_of(number: u64, scratch: &Scratch) -> (PathBuf, Vec<Value>) {
    let mut random = Random::new(number);
    let tree = scratch.path("planted");
    fs::create_dir(&tree).unwrap();
    fs::create_dir_all(tree.join("boot")).unwrap();
    for _ in 0..random.below(12) {
        let name = random.of(&SHORT);
        let name = format!("boot/{name}");
        if random.chance(50) {
            _ = fs::create_dir(tree.join(format!("boot/d{}", random.below(3))));
        }
        fs::write(tree.join(name), vec![b'f'; random.value(&[0, 1, 5000])]).unwrap();
    }
    let steps = plant(&mut random, &tree);
    age(&tree);
    (tree, steps)
}

#[test]
fn file_systems_of_random_trees_are_the_same_without_loop_devices() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair", "tar"]) {
        return;
    }
    let mut failures = Vec::new();
    for number in trials() {
        let scratch = Scratch::new();
        let tar = scratch.path("tree.tar");
        let (tree, steps) = tree_of(number, &scratch);
        let digest = archive(&tree, &tar);
        for (kind, options, size) in kinds() {
            let document = document(kind, (&options, size), (&tar, &digest), &steps);
            let file = scratch.json(&format!("{kind}.json"), &document);
            let looks = ["loop", "none"].map(|way| looked_at(&scratch, way, kind, &file));
            if let Some(differences) = different_lines(&looks[0], &looks[1]) {
                failures.push(format!("trial {number}, {kind}: {differences}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What one way makes of a manifest; or how it fails, which is the same then.
pub(super) fn looked_at(scratch: &Scratch, way: &str, kind: &str, file: &Path) -> String {
    let ended = exported_by_root(scratch, "image", way, file);
    if ended.code() != 0 {
        return ended.all();
    }
    let seen = look(
        scratch,
        &scratch.path(&format!("{way}/image/disk.img")),
        kind,
    );
    fs::remove_dir_all(scratch.path(way)).unwrap();
    seen
}
