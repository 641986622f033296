//! Paths on a machine with other users.
use super::is_root;
use crate::resolve::{
    ExportDirectory, make_directory, open_unshared_directory, read_unshared_file,
};
use crate::{NewFile, holds_privileges, write_file};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

const OTHER: u32 = 4711;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn links_of_others_are_refused_wherever_they_stand_and_own_ones_followed() {
    if !is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("real/below")).unwrap();
    for (link, target) in [
        ("own", "real"),
        ("chain", "own/./below/.."),
        ("absolute", "/"),
    ] {
        symlink(target, at(link)).unwrap();
    }
    make_directory(&at("own/new/deep")).unwrap();
    assert!(at("real/new/deep").is_dir());
    make_directory(&at("chain/new/../other")).unwrap();
    assert!(at("real/other").is_dir());
    make_directory(&at("absolute/tmp")).unwrap();
    symlink(at("real"), at("theirs")).unwrap();
    lchown(at("theirs"), Some(OTHER), None).unwrap();
    symlink("theirs/below", at("mine")).unwrap();
    for path in ["theirs", "theirs/x", "own/../theirs/x", "mine", "mine/x"] {
        let error = make_directory(&at(path)).unwrap_err().to_string();
        assert!(error.contains("link of user 4711"), "{path}: {error}");
        assert!(write_file(&at(path).join("file"), b"x").is_err(), "{path}");
    }
    symlink("loop", at("loop")).unwrap();
    assert!(make_directory(&at("loop/x")).is_err());
}

#[test]
fn a_file_appears_whole_and_replaces_links_and_files_but_nothing_else() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::write(at("victim"), "precious").unwrap();
    symlink("victim", at("link")).unwrap();
    write_file(&at("link"), b"new").unwrap();
    assert_eq!(fs::read_to_string(at("link")).unwrap(), "new");
    assert_eq!(fs::read_to_string(at("victim")).unwrap(), "precious");
    let mut unfinished = NewFile::create(&at("victim")).unwrap();
    unfinished.write_all(b"half").unwrap();
    drop(unfinished);
    assert_eq!(fs::read_to_string(at("victim")).unwrap(), "precious");
    assert_eq!(super::list(top.path()), ["link", "victim"]);
    fs::create_dir(at("directory")).unwrap();
    assert!(write_file(&at("directory"), b"x").is_err());
    assert!(
        write_file(Path::new("/dev/null"), b"x").is_err(),
        "devices stay devices"
    );
    assert!(write_file(&at("missing/x"), b"x").is_err());
}

#[test]
fn code_is_loaded_only_from_what_nobody_else_can_write() {
    if !is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/code"), "code").unwrap();
    assert_eq!(read_unshared_file(&at("a/b/code")).unwrap(), b"code");
    open_unshared_directory(&at("a/b")).unwrap();
    for (path, bits) in [("a/b/code", 0o666), ("a/b/code", 0o620), ("a", 0o777)] {
        let before = fs::metadata(at(path)).unwrap().permissions();
        mode(&at(path), bits);
        assert!(
            read_unshared_file(&at("a/b/code")).is_err(),
            "{path} {bits:o}"
        );
        fs::set_permissions(at(path), before).unwrap();
    }
    // A sticky directory does not let a user replace what is another's.
    mode(&at("a"), 0o1777);
    read_unshared_file(&at("a/b/code")).unwrap();
    chown(at("a/b/code"), Some(OTHER), None).unwrap();
    assert!(read_unshared_file(&at("a/b/code")).is_err());
    assert!(
        read_unshared_file(Path::new("/dev/zero")).is_err(),
        "no regular file"
    );
}

#[test]
fn privileges_of_a_tree_are_found_and_its_directory_closed() {
    if !is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("out/tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::write(tree.join("bin/su"), "").unwrap();
    mode(&tree.join("bin/su"), 0o755);
    assert!(!holds_privileges(&tree).unwrap());
    mode(&tree.join("bin/su"), 0o4755);
    assert!(holds_privileges(&tree).unwrap());
    mode(&tree.join("bin/su"), 0o2755);
    assert!(holds_privileges(&tree).unwrap());
    let directory = ExportDirectory::make(&top.path().join("out")).unwrap();
    let ours: BTreeSet<_> = ["tree".into()].into();
    mode(&top.path().join("out"), 0o755);
    directory.close(&ours).unwrap();
    let closed = fs::metadata(top.path().join("out")).unwrap().permissions();
    assert_eq!(closed.mode() & 0o777, 0o700);
    assert!(directory.export("../x".as_ref()).is_err());
}
