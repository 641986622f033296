use super::is_root;
use crate::{CopyOptions, copy_tree, digest_tree, pack_tree, unpack_tree};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, setxattr};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// A tree with one of each kind, owners and devices included where this process may make them.
fn tree(at: &Path) {
    fs::create_dir_all(at.join("closed")).unwrap();
    fs::write(at.join("closed/file"), "content").unwrap();
    fs::hard_link(at.join("closed/file"), at.join("again")).unwrap();
    symlink("/nowhere", at.join("link")).unwrap();
    fs::write(at.join(OsStr::from_bytes(b"\xff")), "bytes").unwrap();
    let note = setxattr(at.join("again"), "user.note", b"\0x", XattrFlags::empty());
    if note.is_err() {
        eprintln!("no attributes here");
    }
    rustix::fs::mknodat(CWD, at.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    if is_root() {
        let device = rustix::fs::makedev(1, 3);
        let kind = FileType::CharacterDevice;
        // Some sandboxes make none.
        _ = rustix::fs::mknodat(CWD, at.join("null"), kind, Mode::RUSR, device);
        lchown(at.join("link"), Some(3), Some(4)).unwrap();
        lchown(at.join("closed/file"), Some(1), Some(2)).unwrap();
    }
    let mode = |name: &str, mode| {
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("again", 0o4751);
    mode("closed", 0o2550);
}

#[test]
fn a_tree_that_was_packed_is_as_a_copy_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    tree(&at("tree"));
    pack_tree(&at("tree"), &at("packed")).unwrap();
    let options = CopyOptions::default();
    let unpacked = unpack_tree(&at("packed"), &at("unpacked"), options).unwrap();
    let copied = copy_tree(&at("tree"), &at("copied"), options).unwrap();
    let listing = |tree: &str| digest_tree(&at(tree), 0).unwrap().listing;
    assert_eq!(listing("unpacked"), listing("copied"));
    assert!(unpacked.lost_xattrs.is_empty() && copied.lost_xattrs.is_empty());
    for name in ["again", "closed", "closed/file", "link", "fifo"] {
        let facts = |tree: &str| {
            let found = fs::symlink_metadata(at(tree).join(name)).unwrap();
            let owner = (found.uid(), found.gid());
            (found.mode(), owner, found.nlink(), found.mtime_nsec())
        };
        assert_eq!(facts("unpacked"), facts("tree"), "{name}");
    }
    let attribute = |tree: &str| {
        let mut value = vec![0; 16];
        let length = rustix::fs::getxattr(at(tree).join("again"), "user.note", &mut value);
        length.map(|length| value[..length].to_vec()).ok()
    };
    assert_eq!(attribute("unpacked"), attribute("tree"));
    assert_eq!(fs::read_dir(at("packed/contents")).unwrap().count(), 0);
}

/// A line of a listing.
fn line(kind: &str, name: &str, mode: u32, more: &str) -> String {
    format!(
        r#"{{"{kind}":{}{{"name":"{name}","mode":{mode},"owner":0,"group":0,"device":0,"inode":1,"shared":false,"accessed":[0,0],"modified":[0,0],"attributes":[]}}{more}}}"#,
        if more.is_empty() { "" } else { "[" }
    )
}

/// A listing may come from an attacker: what it names is made in the new tree or not at all.
#[test]
fn a_listing_reaches_nothing_outside_of_the_tree() {
    const DIRECTORY: u32 = 0o040_755;
    const REGULAR: u32 = 0o100_644;
    let root = line("directory", ".", DIRECTORY, "");
    let file = |name: &str, number: u64| line("file", name, REGULAR, &format!(",{number}]"));
    let end = "\"end\"".to_owned();
    let link = line("link", "l", 0o120_777, r#","/"]"#);
    for (what, lines) in [
        ("nothing", vec![]),
        ("no root", vec![file("a", 0), end.clone()]),
        ("no end", vec![root.clone(), file("a", 0)]),
        (
            "after the end",
            vec![root.clone(), end.clone(), file("a", 0)],
        ),
        ("a way up", vec![root.clone(), file("../a", 0), end.clone()]),
        (
            "the root again",
            vec![root.clone(), file(".", 0), end.clone()],
        ),
        (
            "above",
            vec![
                root.clone(),
                line("directory", "..", DIRECTORY, ""),
                end.clone(),
                end.clone(),
            ],
        ),
        (
            "through a link",
            vec![
                root.clone(),
                link.clone(),
                line("directory", "l", DIRECTORY, ""),
                file("a", 0),
                end.clone(),
                end.clone(),
            ],
        ),
        (
            "onto a file",
            vec![root.clone(), file("a", 0), file("a", 0), end.clone()],
        ),
        (
            "a link for content",
            vec![root.clone(), file("a", 1), end.clone()],
        ),
        ("no content", vec![root.clone(), file("a", 7), end.clone()]),
        (
            "content of two",
            vec![root.clone(), file("a", 2), end.clone()],
        ),
        (
            "another kind",
            vec![
                root.clone(),
                line("file", "a", 0o120_777, ",0]"),
                end.clone(),
            ],
        ),
        (
            "a name of nothing",
            vec![root.clone(), r#"{"name":["a",5]}"#.to_owned(), end.clone()],
        ),
        ("no listing", vec!["{".to_owned()]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let packed = directory.path().join("packed");
        fs::create_dir_all(packed.join("contents")).unwrap();
        fs::write(directory.path().join("outside"), "secret").unwrap();
        fs::write(packed.join("contents/0"), "zero").unwrap();
        symlink("../../outside", packed.join("contents/1")).unwrap();
        fs::hard_link(directory.path().join("outside"), packed.join("contents/2")).unwrap();
        fs::write(packed.join("listing"), lines.join("\n")).unwrap();
        let to = directory.path().join("to");
        let error = unpack_tree(&packed, &to, CopyOptions::default());
        assert!(error.is_err(), "{what}");
        assert!(!directory.path().join("a").exists(), "{what}");
        let outside = fs::metadata(directory.path().join("outside")).unwrap();
        assert_eq!(outside.len(), 6, "{what}");
    }
}

#[test]
fn links_in_the_place_of_what_was_packed_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    tree(&at("tree"));
    pack_tree(&at("tree"), &at("packed")).unwrap();
    symlink("packed", at("link")).unwrap();
    assert!(unpack_tree(&at("link"), &at("to"), CopyOptions::default()).is_err());
    for name in ["listing", "contents"] {
        let moved = at(&format!("moved-{name}"));
        fs::rename(at("packed").join(name), &moved).unwrap();
        symlink(&moved, at("packed").join(name)).unwrap();
        assert!(unpack_tree(&at("packed"), &at("to"), CopyOptions::default()).is_err());
        fs::remove_file(at("packed").join(name)).unwrap();
        fs::rename(&moved, at("packed").join(name)).unwrap();
    }
    assert!(!at("to").exists());
}
