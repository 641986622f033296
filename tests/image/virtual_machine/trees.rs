//! Trees on their way out of virtual machines, the kernel of a build root, and what is recorded of stages there.
use super::{LIMIT, TOOLS, can_run, kernel, loopback, read_back};
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths, user};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cap_net_raw+ep`, as the kernel keeps it (struct vfs_cap_data of linux/capability.h).
const CAPABILITY: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// `u::rwx,u:1000:r,g::r,m::r,o::-`, as the kernel keeps it (struct posix_acl_xattr_header of linux/posix_acl_xattr.h).
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

/// A directory with one of each kind that an image may have, below it `plain` with what an ordinary user may make too.
fn make_odd(odd: &Path) {
    fs::create_dir_all(odd.join("plain")).expect("a file of the test");
    fs::create_dir(odd.join("closed")).expect("a file of the test");
    let node = |name: &str, kind, device| {
        mknodat(CWD, odd.join(name), kind, Mode::RUSR, device).expect("a node");
    };
    node("null", FileType::CharacterDevice, makedev(1, 3));
    node("loop", FileType::BlockDevice, makedev(7, 0));
    node("fifo", FileType::Fifo, 0);
    let file = |name: &OsStr, mode, owner| {
        let path = odd.join(name);
        fs::write(&path, name.as_bytes()).expect("a file of the test");
        lchown(&path, Some(owner), Some(owner + 1)).expect("a file of the test");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a file of the test");
    };
    file(OsStr::new("plain/ping"), 0o755, 0);
    file(OsStr::new("closed/file"), 0o400, 1000);
    file(OsStr::new("set-id"), 0o6755, 7);
    file(OsStr::from_bytes(b"plain/\xff\xfe"), 0o644, 65534);
    fs::hard_link(odd.join("set-id"), odd.join("plain/again")).expect("a file of the test");
    symlink("/nowhere", odd.join("link")).expect("a file of the test");
    lchown(odd.join("link"), Some(3), Some(4)).expect("a file of the test");
    let set = |name: &str, attribute, value: &[u8]| {
        setxattr(odd.join(name), attribute, value, XattrFlags::empty()).expect("an attribute");
    };
    set("plain/ping", "security.capability", &CAPABILITY);
    set("closed", "user.note", b"a\0b");
    set("plain/again", "system.posix_acl_access", &ACL);
    fs::set_permissions(odd.join("closed"), fs::Permissions::from_mode(0o2550))
        .expect("a file of the test");
}

/// A file system with such a directory, and the directory.
pub(super) fn odd_image(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let top = scratch.directory("top");
    make_odd(&top.join("odd"));
    let image = scratch.path("odd.img");
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-d"])
        .args([&top, &image])
        .arg("8M")
        .status();
    assert!(made.expect("mkfs.ext4").success());
    (image, top.join("odd"))
}

/// Everything below a directory: mode, owners, device, names, size, time, attributes.
fn facts(top: &Path) -> BTreeMap<OsString, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![top.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("a file of the test").path();
            let is = fs::symlink_metadata(&path).expect("a file of the test");
            let size = if is.is_dir() { 0 } else { is.size() };
            let text = fs::read_link(&path).ok();
            let name = path
                .strip_prefix(top)
                .expect("a file of the test")
                .as_os_str()
                .to_owned();
            let fact = format!(
                "{:o} {}:{} {:x} {} {size} {} {text:?} {:?}",
                is.mode(),
                is.uid(),
                is.gid(),
                is.rdev(),
                is.nlink(),
                is.mtime(),
                attributes(&path)
            );
            found.insert(name, fact);
            if is.is_dir() {
                directories.push(path);
            }
        }
    }
    found
}

pub(super) fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut buffer = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut buffer).unwrap_or_default();
    let names = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let names = names.split_terminator('\0').map(str::to_owned);
    let value = |name: String| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, &name, &mut value).expect("its value");
        value.truncate(length);
        (name, value)
    };
    names.map(value).collect()
}

/// Debian's kernel as an archive, with what of its modules a machine needs.
fn kernel_archive() -> PathBuf {
    let archive = paths::kept("packages").join("modules.tar");
    let script = r#"cd "$0" && tar --create --file "$1.new" boot/vmlinuz-* lib/modules/*/modules.* \
        lib/modules/*/kernel/{arch,crypto,lib,fs/ext4,fs/jbd2,fs/mbcache.ko,fs/9p,fs/netfs,fs/fscache,net/9p} \
        lib/modules/*/kernel/drivers/{virtio,block,char,md} && mv "$1.new" "$1""#;
    let made = Command::new("bash")
        .args(["-c", script])
        .arg(kernel())
        .arg(&archive)
        .status();
    assert!(made.expect("bash").success());
    archive
}

/// Files of this machine as a source, with their digests.
pub(super) fn source<const N: usize>(files: [&Path; N]) -> (Value, [String; N]) {
    let digests = files.map(|file| {
        let content = fs::read(file).expect("a file");
        format!("sha256:{}", hex::encode(Sha256::digest(&content)))
    });
    let items = files.iter().zip(&digests).map(|(file, digest)| {
        let url = format!("file://{}", file.display());
        (digest.clone(), json!({ "url": url }))
    });
    let items: serde_json::Map<_, _> = items.collect();
    (json!({ "org.osbuild.curl": { "items": items } }), digests)
}

pub(super) fn input(digest: &str) -> Value {
    json!({ "file": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [digest] } })
}

/// A stage that copies a source into the tree.
pub(super) fn bring(digest: &str, to: &str) -> Value {
    json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": format!("input://file/{digest}"), "to": format!("tree:///{to}") }] },
        "inputs": input(digest),
    })
}

/// A build pipeline that has nothing but a kernel, a tree that is built by it, and one that is a part of that.
fn document(image: &Path) -> Value {
    let (sources, [image, kernel]) = source([image, &kernel_archive()]);
    let untar = json!({ "type": "org.osbuild.untar", "inputs": input(&kernel) });
    let stages = json!([
        bring(&image, "odd.img"),
        read_back(
            "odd",
            "",
            "org.osbuild.ext4",
            &json!({ "it": loopback("odd.img") })
        ),
        manifest::hostname("inside"),
    ]);
    json!({
        "version": "2",
        "sources": sources,
        "pipelines": [
            { "name": "build", "stages": [untar] },
            { "name": "tree", "build": "name:build", "stages": stages },
            { "name": "second", "build": "name:build", "stages": [{
                "type": "org.osbuild.copy",
                "options": { "paths": [{ "from": "input://tree/odd", "to": "tree:///" }] },
                "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
            }] },
        ],
    })
}

/// The machine boots the kernel that only its build root has; no other is named, and what it records is enough for a policy.
#[test]
fn a_tree_leaves_a_virtual_machine_with_nodes_owners_and_file_capabilities() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let (image, odd) = odd_image(&scratch);
    let file = scratch.json("manifest.json", &document(&image));
    let run = |options: &str, out: &str| {
        let program = Program::new(&format!(
            "run --in-vm tree --in-vm second --checkpoint build --checkpoint tree {options}"
        ));
        program
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path(out))
            .env("OSBUILD_WASM_KERNEL", "")
            .directory(scratch.root())
            .arg(&file)
            .limit(LIMIT)
            .run()
            .expect(0)
    };
    run(
        "--export tree --export second --record record.json --learn learned.toml",
        "out",
    );
    machine::assert_nothing_left(scratch.root());
    let made = facts(&odd);
    for tree in ["out/tree/odd", "out/second/odd"] {
        assert_eq!(facts(&scratch.path(tree)), made, "{tree}");
    }
    assert_eq!(scratch.read("out/tree/etc/hostname"), "inside\n");
    assert_recorded(&scratch);
    assert_marks_stay(&scratch, &odd, &|| {
        run("--export second --checkpoint second", "marked");
    });
    run("--export tree --policy learned.toml", "again");
    assert_eq!(facts(&scratch.path("again/tree/odd")), made);
}

#[test]
fn what_an_ordinary_users_tree_cannot_keep_fails_its_stage_in_a_virtual_machine() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let (image, _) = odd_image(&scratch);
    let (sources, [digest]) = source([&*image]);
    let devices = json!({ "it": loopback("odd.img") });
    let mut document = manifest::tree(json!([
        bring(&digest, "odd.img"),
        read_back("odd", "", "org.osbuild.ext4", &devices),
        manifest::hostname("never"),
    ]));
    document["sources"] = sources;
    let file = scratch.json("manifest.json", &document);
    let build = user::machine(&scratch).build("--in-vm tree --export tree");
    let ended = build
        .env("OSBUILD_WASM_KERNEL", kernel())
        .arg(&file)
        .limit(LIMIT)
        .run();
    ended
        .expect(1)
        .says("org.osbuild.copy failed in pipeline tree: /odd/")
        .says("device nodes are made by root of the machine only")
        .says("in a file system of an image")
        .never_says("org.osbuild.hostname");
    machine::assert_nothing_left(scratch.root());
}

/// What is in trusted.* neither a share shows nor who packs a tree; it stays in the store.
fn assert_marks_stay(scratch: &Scratch, odd: &Path, run: &dyn Fn()) {
    let name = "trusted.overlay.opaque";
    let mark = |odd: &Path| {
        setxattr(odd.join("closed"), name, b"y", XattrFlags::empty()).expect("root may");
    };
    let marked = objects(scratch);
    assert_eq!(marked.len(), 1);
    mark(&marked[0].join("odd"));
    mark(odd);
    run();
    let trees = objects(scratch);
    assert_eq!(trees.len(), 2);
    for tree in trees {
        assert_eq!(facts(&tree.join("odd")), facts(odd), "{}", tree.display());
    }
}

/// The trees in the store that have the odd directory.
fn objects(scratch: &Scratch) -> Vec<PathBuf> {
    let objects = fs::read_dir(scratch.path("store/objects")).expect("a store");
    let trees = objects.map(|object| object.expect("an object").path().join("tree"));
    trees.filter(|tree| tree.join("odd").exists()).collect()
}

/// What the stages in the machine did is in the record, with the component that this side knows, and times behind the boot.
fn assert_recorded(scratch: &Scratch) {
    let record: Value = serde_json::from_str(&scratch.read("record.json")).expect("JSON");
    let [build, tree, _] = &record["pipelines"].as_array().expect("pipelines")[..] else {
        panic!("{record:#}");
    };
    assert_eq!(build["in_virtual_machine"], Value::Null);
    assert_eq!(tree["in_virtual_machine"], true);
    let stages = tree["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 3);
    let began = |stage: &Value| stage["started"].as_f64().expect("seconds");
    assert!(began(&stages[0]) > began(&build["stages"][0]), "{tree:#}");
    assert_eq!(stages[2]["component"]["origin"], "built in");
    let written = stages[2]["written"].as_array().expect("files");
    assert_eq!(written[0]["path"], "/etc/hostname", "{tree:#}");
}
