use super::{is_root, list};
use crate::remove_tree;
use rustix::fs::{IFlags, Mode, OFlags};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn set_flags(path: &Path, flags: IFlags) -> bool {
    let file = fs::File::open(path).unwrap();
    let done = rustix::fs::ioctl_setflags(&file, flags).is_ok();
    if !done {
        eprintln!("skipped: this file system has no such flags");
    }
    done
}

#[test]
fn links_are_removed_and_what_they_point_to_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("keep/below")).unwrap();
    fs::create_dir(dir.path().join("gone")).unwrap();
    symlink(dir.path().join("keep"), dir.path().join("gone/link")).unwrap();
    remove_tree(&dir.path().join("gone")).unwrap();
    assert_eq!(list(dir.path()), ["keep"]);
    symlink("keep", dir.path().join("link")).unwrap();
    remove_tree(&dir.path().join("link")).unwrap();
    assert!(dir.path().join("keep/below").is_dir());
    remove_tree(&dir.path().join("never/was")).unwrap();
}

#[test]
fn directories_without_permissions_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let locked = dir.path().join("tree/a/locked");
    fs::create_dir_all(locked.join("b")).unwrap();
    fs::write(locked.join("b/file"), "x").unwrap();
    for path in ["tree/a/locked/b", "tree/a/locked", "tree/a"] {
        fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    remove_tree(&dir.path().join("tree")).unwrap();
    assert_eq!(list(dir.path()), [""; 0]);
}

#[test]
fn immutable_and_append_only_entries_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("tree/deploy/etc")).unwrap();
    fs::write(dir.path().join("tree/deploy/etc/file"), "x").unwrap();
    if !is_root() || !set_flags(&dir.path().join("tree/deploy/etc/file"), IFlags::IMMUTABLE) {
        return;
    }
    assert!(set_flags(
        &dir.path().join("tree/deploy/etc"),
        IFlags::APPEND
    ));
    assert!(set_flags(
        &dir.path().join("tree/deploy"),
        IFlags::IMMUTABLE
    ));
    assert!(fs::remove_dir_all(dir.path().join("tree")).is_err());
    remove_tree(&dir.path().join("tree")).unwrap();
    assert_eq!(list(dir.path()), [""; 0]);
}

#[test]
fn nesting_deeper_than_the_descriptor_limit_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tree")).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut deep = rustix::fs::open(dir.path().join("tree"), flags, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&deep, "d", Mode::RWXU).unwrap();
        rustix::fs::mkdirat(&deep, "e", Mode::RWXU).unwrap();
        deep = rustix::fs::openat(&deep, "d", flags, Mode::empty()).unwrap();
    }
    remove_tree(&dir.path().join("tree")).unwrap();
    assert_eq!(list(dir.path()), [""; 0]);
}

#[test]
fn what_is_mounted_below_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("tree/mnt"), dir.path().join("outside"));
    fs::create_dir_all(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    if !is_root() || rustix::mount::mount_bind(&outside, &inside).is_err() {
        eprintln!("skipped: cannot mount");
        return;
    }
    let result = remove_tree(&dir.path().join("tree"));
    let kept = outside.join("precious").exists();
    rustix::mount::unmount(&inside, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(kept);
    assert!(result.unwrap_err().to_string().contains("mounted"));
    remove_tree(&dir.path().join("tree")).unwrap();
}
