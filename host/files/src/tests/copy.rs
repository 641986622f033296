use super::{is_root, list};
use crate::{CopyOptions, FilesError, clamp_times, copy_tree, disk_usage};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn pair() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir(&from).unwrap();
    (dir, from, to)
}

fn set_mtime(path: &Path, seconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 123_456_789,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Everything about an entry that a copy must keep.
fn facts(path: &Path) -> (u32, u32, u32, u64, i64, i64) {
    let found = fs::symlink_metadata(path).unwrap();
    (
        found.mode(),
        found.uid(),
        found.gid(),
        found.rdev(),
        found.mtime(),
        found.mtime_nsec(),
    )
}

#[test]
fn modes_times_links_and_content_are_kept() {
    let (_dir, from, to) = pair();
    fs::create_dir(from.join("d")).unwrap();
    fs::write(from.join("d/suid"), "content").unwrap();
    fs::set_permissions(from.join("d/suid"), fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("/nowhere", from.join("d/link")).unwrap();
    fs::write(from.join("empty"), "").unwrap();
    rustix::fs::mknodat(CWD, from.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o2550)).unwrap();
    let names = ["d/suid", "d/link", "empty", "fifo", "d", "."];
    for (age, name) in names.iter().enumerate() {
        set_mtime(&from.join(name), 1_000_000 + age as i64);
    }
    let report = copy_tree(&from, &to, CopyOptions::default()).unwrap();
    for name in names {
        assert_eq!(facts(&from.join(name)), facts(&to.join(name)), "{name}");
    }
    assert_eq!(fs::read(to.join("d/suid")).unwrap(), b"content");
    assert_eq!(
        fs::read_link(to.join("d/link")).unwrap(),
        Path::new("/nowhere")
    );
    assert_eq!(report.entries, 6);
    assert_eq!(report.copied_bytes + report.cloned_bytes, 7);
}

#[test]
fn owners_and_devices_are_kept() {
    if !is_root() {
        return;
    }
    let (_dir, from, to) = pair();
    let device = rustix::fs::makedev(1, 3);
    if rustix::fs::mknodat(
        CWD,
        from.join("null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        device,
    )
    .is_err()
    {
        eprintln!("skipped: cannot make devices");
        return;
    }
    fs::write(from.join("file"), "x").unwrap();
    fs::set_permissions(from.join("file"), fs::Permissions::from_mode(0o6755)).unwrap();
    symlink("file", from.join("link")).unwrap();
    for (uid, name) in [(1, "null"), (2, "file"), (3, "link")] {
        std::os::unix::fs::lchown(from.join(name), Some(uid), Some(uid + 10)).unwrap();
    }
    fs::set_permissions(from.join("file"), fs::Permissions::from_mode(0o6755)).unwrap();
    copy_tree(&from, &to, CopyOptions::default()).unwrap();
    for name in ["null", "file", "link"] {
        assert_eq!(facts(&from.join(name)), facts(&to.join(name)), "{name}");
    }
    assert!(
        fs::symlink_metadata(to.join("null"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let (_dir, from, to) = pair();
    fs::create_dir_all(from.join("a/b")).unwrap();
    fs::write(from.join("a/b/one"), "x").unwrap();
    fs::hard_link(from.join("a/b/one"), from.join("two")).unwrap();
    fs::hard_link(from.join("a/b/one"), from.join("a/three")).unwrap();
    copy_tree(&from, &to, CopyOptions::default()).unwrap();
    let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("a/b/one"), inode("two"));
    assert_eq!(inode("a/b/one"), inode("a/three"));
    assert_eq!(fs::metadata(to.join("two")).unwrap().nlink(), 3);
}

#[test]
fn holes_stay_holes() {
    let (_dir, from, to) = pair();
    let file = fs::File::create(from.join("disk.img")).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    file.write_all_at(b"middle", 500 << 20).unwrap();
    drop(file);
    copy_tree(&from, &to, CopyOptions::default()).unwrap();
    let copy = fs::File::open(to.join("disk.img")).unwrap();
    assert_eq!(copy.metadata().unwrap().len(), 1 << 30);
    assert!(disk_usage(&to).unwrap() < 1 << 20);
    let mut found = [0; 6];
    copy.read_exact_at(&mut found, 500 << 20).unwrap();
    assert_eq!(&found, b"middle");
}

#[test]
fn attributes_are_copied_also_those_of_links() {
    let (_dir, from, to) = pair();
    fs::write(from.join("file"), "x").unwrap();
    symlink("file", from.join("link")).unwrap();
    let long = vec![7; 3000];
    if rustix::fs::setxattr(from.join("file"), "user.note", &long, XattrFlags::empty()).is_err() {
        eprintln!("skipped: no attributes here");
        return;
    }
    let label = b"system_u:object_r:etc_t:s0\0";
    let labelled = rustix::fs::lsetxattr(
        from.join("link"),
        "security.selinux",
        label,
        XattrFlags::empty(),
    )
    .is_ok();
    copy_tree(&from, &to, CopyOptions::default()).unwrap();
    let mut buffer = vec![0; 4000];
    let length = rustix::fs::getxattr(to.join("file"), "user.note", &mut buffer).unwrap();
    assert!(buffer[..length] == long);
    if labelled {
        let length =
            rustix::fs::lgetxattr(to.join("link"), "security.selinux", &mut buffer).unwrap();
        assert_eq!(&buffer[..length], label);
    }
}

#[test]
fn attributes_that_are_refused_are_handed_on_or_reported() {
    let (_dir, from, _) = pair();
    fs::write(from.join("file"), "x").unwrap();
    // tmpfs has trusted.* but not every kernel has user.* there; procfs takes nothing. Use what this machine offers.
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let name = "user.note";
    let probe = other.path().join("probe");
    fs::write(&probe, "").unwrap();
    let here = rustix::fs::setxattr(from.join("file"), name, b"v", XattrFlags::empty()).is_ok();
    let there = rustix::fs::setxattr(&probe, name, b"v", XattrFlags::empty()).is_ok();
    if !here || there {
        eprintln!("skipped: needs a file system without user attributes");
        return;
    }
    let report = copy_tree(&from, &other.path().join("a"), CopyOptions::default()).unwrap();
    let loss = &report.lost_xattrs[std::ffi::OsStr::new(name)];
    assert_eq!((loss.files, loss.first.as_path()), (1, Path::new("file")));
    let calls = RefCell::new(Vec::new());
    let set = |_: std::os::fd::BorrowedFd<'_>, name: &std::ffi::OsStr, value: &[u8]| {
        calls.borrow_mut().push((name.to_owned(), value.to_owned()));
        Ok(())
    };
    let report = copy_tree(
        &from,
        &other.path().join("b"),
        CopyOptions {
            set_xattr: Some(&set),
            ..CopyOptions::default()
        },
    )
    .unwrap();
    assert!(report.lost_xattrs.is_empty());
    assert_eq!(calls.into_inner(), [(name.into(), b"v".to_vec())]);
}

#[test]
fn existing_directories_are_merged_into_and_files_replaced_not_written_through() {
    let (dir, from, to) = pair();
    fs::create_dir_all(from.join("etc")).unwrap();
    fs::write(from.join("etc/new"), "new").unwrap();
    fs::write(from.join("etc/changed"), "changed").unwrap();
    fs::create_dir_all(to.join("etc")).unwrap();
    fs::write(to.join("etc/old"), "old").unwrap();
    fs::write(dir.path().join("outside"), "outside").unwrap();
    symlink(dir.path().join("outside"), to.join("etc/changed")).unwrap();
    copy_tree(&from, &to, CopyOptions::default()).unwrap();
    assert_eq!(list(&to.join("etc")), ["changed", "new", "old"]);
    assert_eq!(fs::read(to.join("etc/changed")).unwrap(), b"changed");
    assert_eq!(fs::read(dir.path().join("outside")).unwrap(), b"outside");
}

#[test]
fn a_link_at_the_destination_is_not_followed_into_a_directory() {
    let (dir, from, to) = pair();
    fs::create_dir_all(from.join("lib")).unwrap();
    fs::write(from.join("lib/x"), "x").unwrap();
    fs::create_dir_all(dir.path().join("outside")).unwrap();
    fs::create_dir(&to).unwrap();
    symlink("../outside", to.join("lib")).unwrap();
    let error = copy_tree(&from, &to, CopyOptions::default()).unwrap_err();
    assert!(matches!(error, FilesError::Conflict { .. }), "{error}");
    assert_eq!(list(&dir.path().join("outside")), [""; 0]);
    fs::remove_file(to.join("lib")).unwrap();
    fs::remove_dir_all(from.join("lib")).unwrap();
    fs::write(from.join("lib"), "file").unwrap();
    fs::create_dir(to.join("lib")).unwrap();
    let error = copy_tree(&from, &to, CopyOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("directory is there already"),
        "{error}"
    );
}

#[test]
fn a_copy_into_itself_ends() {
    let (_dir, from, _) = pair();
    let error = copy_tree(&from, &from.join("copy"), CopyOptions::default()).unwrap_err();
    assert!(matches!(error, FilesError::Conflict { .. }), "{error}");
}

#[test]
fn only_times_since_the_build_began_are_clamped() {
    let (_dir, tree, _) = pair();
    fs::create_dir(tree.join("d")).unwrap();
    fs::write(tree.join("d/new"), "").unwrap();
    fs::write(tree.join("d/old"), "").unwrap();
    symlink("/etc/passwd", tree.join("link")).unwrap();
    for (name, time) in [
        ("d/new", 2000),
        ("d/old", 1999),
        ("link", 3000),
        ("d", 2500),
        (".", 1000),
    ] {
        set_mtime(&tree.join(name), time);
    }
    clamp_times(&tree, 2000, 500).unwrap();
    let time = |name: &str| fs::symlink_metadata(tree.join(name)).unwrap().mtime();
    let found = ["d/new", "d/old", "link", "d", "."].map(time);
    assert_eq!(found, [500, 1999, 500, 500, 1000]);
    assert_eq!(
        fs::symlink_metadata(tree.join("d/new"))
            .unwrap()
            .mtime_nsec(),
        0
    );
    assert_eq!(
        fs::symlink_metadata(tree.join("d/new")).unwrap().atime(),
        500
    );
}
