//! What an object is goes with it to another name only where the same might be made.
use osbuild_wasm_tests::{Ended, Scratch, hostile, machine};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, chownat, mknodat, setxattr};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The verb that takes along what an object is, and how such an object is made at a path.
type Kind = (&'static str, fn(&Path));

const KINDS: [Kind; 6] = [
    ("chmod", |path| set_mode(path, 0o4755)),
    ("chmod", |path| set_mode(path, 0o2755)),
    ("chown", |path| chown(path, Some(4242), None)),
    ("chown", |path| chown(path, None, Some(4242))),
    ("xattr", |path| {
        setxattr(path, "user.hostile", b"x", XattrFlags::empty()).expect("an attribute");
    }),
    ("node", |path| {
        std::fs::remove_file(path).expect("a file");
        mknodat(CWD, path, FileType::CharacterDevice, Mode::RWXU, 0x105).expect("a device node");
    }),
];

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

fn chown(path: &Path, uid: Option<u32>, gid: Option<u32>) {
    let (uid, gid) = (
        uid.map(rustix::fs::Uid::from_raw),
        gid.map(rustix::fs::Gid::from_raw),
    );
    chownat(CWD, path, uid, gid, rustix::fs::AtFlags::empty()).expect("an owner");
}

/// A tree with one such object at `/from/object`, and `/from/directory/object` likewise; `/to` is empty.
fn tree(make: fn(&Path)) -> Scratch {
    let scratch = Scratch::new();
    for path in ["tree/from/object", "tree/from/directory/object"] {
        make(&scratch.write(path, "content"));
    }
    scratch.directory("tree/to");
    scratch
}

/// Everything that makes an object at `/to`, with the rights for plain ones and the verbs of `more`.
fn attempt(scratch: &Scratch, more: &[&str], step: &str) -> Ended {
    let all: Vec<_> = ["read", "create", "replace", "remove"]
        .iter()
        .chain(more)
        .collect();
    let plain = ["read", "create", "replace", "remove"];
    let rights = match more.is_empty() {
        true => json!([{ "verbs": plain, "paths": ["/from/**", "/to/**"] }]),
        false => json!([{ "verbs": all, "paths": ["/from/**", "/to/**"] }]),
    };
    hostile::narrow(scratch, &rights, &[step])
}

const WAYS: [&str; 7] = [
    "tree rename /run/osbuild/tree/from/object /run/osbuild/tree/to/object",
    "tree rename /run/osbuild/tree/from/directory /run/osbuild/tree/to/directory",
    "tree hard-link /run/osbuild/tree/from/object /run/osbuild/tree/to/object",
    "tree copy-links /run/osbuild/tree/from/object /run/osbuild/tree/to/object",
    "tree copy-links /run/osbuild/tree/from/directory /run/osbuild/tree/to/directory",
    "tree copy-links /run/osbuild/tree/from/directory/. /run/osbuild/tree/to/new",
    "std rename /run/osbuild/tree/from/object /run/osbuild/tree/to/object",
];

#[test]
fn what_an_object_is_goes_with_it_only_by_the_verb_that_makes_it_so() {
    if !machine::offers(&[]) {
        return;
    }
    for (verb, make) in KINDS {
        for way in WAYS {
            let refused = attempt(&tree(make), &[], way).expect(1);
            let says = format!("may not {verb} /to");
            assert!(
                refused.all().contains(&says),
                "{way}: {says}\n{}",
                refused.all()
            );
            attempt(&tree(make), &[verb], way).expect(0);
        }
        let following = "tree copy /run/osbuild/tree/from/directory /run/osbuild/tree/to/directory";
        // A device node is not followed to, it is refused whatever the rights are.
        if verb != "node" {
            attempt(&tree(make), &[], following)
                .expect(1)
                .says(&format!("may not {verb} /to"));
            attempt(&tree(make), &[verb], following).expect(0);
        }
    }
}

#[test]
fn plain_objects_take_no_more_than_the_verbs_for_content() {
    for way in WAYS {
        attempt(&tree(|_| {}), &[], way).expect(0);
    }
}

#[test]
fn a_set_id_bit_of_a_new_object_takes_chmod() {
    let steps = [
        "tree replace-set-id /run/osbuild/tree/to/object",
        "tree mkdir-set-id /run/osbuild/tree/to/object",
    ];
    for step in steps {
        let refused = attempt(&tree(|_| {}), &[], step).expect(1);
        refused.says("may not chmod /to/object: ");
        attempt(&tree(|_| {}), &["chmod"], step).expect(0);
    }
}

#[test]
fn the_mode_of_a_directory_that_is_there_is_copied_only_with_chmod() {
    let step = "tree copy-links /run/osbuild/tree/from/directory/. /run/osbuild/tree/to";
    let make = |_: &Path| {};
    let changed = || {
        let scratch = tree(make);
        set_mode(&scratch.path("tree/from/directory"), 0o777);
        scratch
    };
    attempt(&changed(), &[], step)
        .expect(1)
        .says("may not chmod /to: ");
    attempt(&changed(), &["chmod"], step).expect(0);
}

/// Rights of `/secret` (read), `/a` (not to be changed) and `/b` (may be changed).
fn steps(scratch: &Scratch, rights: &Value, steps: &[&str]) -> Ended {
    scratch.write("tree/secret", "SECRET");
    for directory in ["tree/a", "tree/b"] {
        scratch.directory(directory);
    }
    let ended = hostile::narrow(scratch, rights, steps);
    assert_eq!(scratch.read("tree/secret"), "SECRET", "{}", ended.all());
    ended
}

#[test]
fn a_hard_link_is_not_carried_on_to_where_it_may_be_changed() {
    let rights = json!([
        { "verbs": ["read"], "paths": ["/secret"] },
        { "verbs": ["read", "create", "remove"], "paths": ["/a/**"] },
        { "verbs": ["read", "create", "replace", "chmod"], "paths": ["/b/**"] },
    ]);
    for door in ["tree", "std"] {
        let link = format!("{door} hard-link /run/osbuild/tree/secret /run/osbuild/tree/a/name");
        let file = format!("{door} rename /run/osbuild/tree/a/name /run/osbuild/tree/b/name");
        let whole = format!("{door} rename /run/osbuild/tree/a /run/osbuild/tree/b/whole");
        for rename in [file, whole] {
            let write = format!("{door} append /run/osbuild/tree/b/name");
            steps(&Scratch::new(), &rights, &[&link, &rename, &write])
                .expect(1)
                .says("may not replace /a");
        }
    }
}

#[test]
fn what_may_be_changed_does_not_get_a_name_where_it_may_not() {
    let rights = json!([
        { "verbs": ["read", "create", "replace"], "paths": ["/b/**"] },
        { "verbs": ["create"], "paths": ["/a/name"] },
    ]);
    let made = [
        "tree write /run/osbuild/tree/b/own",
        "tree hard-link /run/osbuild/tree/b/own /run/osbuild/tree/a/name",
    ];
    steps(&Scratch::new(), &rights, &made)
        .expect(1)
        .says("may not replace /a/name");
}

#[test]
fn replacing_a_file_touches_no_other() {
    let rights = json!([{ "verbs": ["create", "replace"], "paths": ["/a/name"] }]);
    let scratch = Scratch::new();
    scratch.write("tree/a/.name.osbuild-new", "another's");
    steps(
        &scratch,
        &rights,
        &["tree replace /run/osbuild/tree/a/name"],
    )
    .expect(0);
    assert_eq!(scratch.read("tree/a/.name.osbuild-new"), "another's");
    assert_eq!(
        std::fs::read_dir(scratch.path("tree/a"))
            .expect("a directory")
            .count(),
        2
    );
}
