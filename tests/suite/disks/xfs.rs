//! What a prototype of mkfs.xfs cannot say is in the file system all the same: attributes, hard links, blanks, long targets.
use super::same::{LIST, run_on, similar_lines};
use super::{by_root, can_run, exported_by_root, exported_by_user, step, xfs_of};
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};

/// Directories of every format, from one in its inode to one with more blocks than an inode has extents for.
fn steps() -> Vec<Value> {
    let mut steps = vec![
        step("mkdir", "few", ""),
        step("mkdir", "many", ""),
        step("mkdir", "few/a b", ""),
        step("set-xattr", "few", ""),
        step("fifo", "few/pipe", ""),
        step("symlink", "few/link", "some where"),
        step("symlink", "few/long", &"a b/".repeat(150)),
        step("symlink", "few/long-plain", &"abc/".repeat(150)),
    ];
    for name in [" ", "  ", ":a", "$", "x", "a\tb", "axb", "a b/c d"] {
        steps.push(step("write", &format!("few/{name}"), ""));
    }
    steps.push(step("set-capability", "few/x", ""));
    steps.push(step("set-xattr", "few/x", ""));
    steps.push(step("hard-link", "few/x", "few/a b/same as x"));
    steps.push(step("hard-link", "few/pipe", "few/a b/pipe"));
    steps.push(step("hard-link", "few/link", "few/another link"));
    for number in 0..1800 {
        let name = match number % 3 {
            0 => format!("many/file with a long name {number}"),
            _ => format!("many/file-with-a-long-name-{number}"),
        };
        steps.push(step("write", &name, ""));
        steps.push(step("touch", &name, ""));
        if number % 7 == 0 {
            steps.push(step("set-xattr", &name, ""));
            steps.push(step("hard-link", &name, &format!("many/link {number}")));
        }
    }
    for name in [" ", "  ", ":a", "$", "x", "a\tb", "axb", "a b/c d"] {
        steps.push(step("touch", &format!("few/{name}"), ""));
    }
    steps
}

fn document() -> Value {
    xfs_of(json!([
        manifest::stage("test.files", json!({ "steps": steps() })),
        manifest::stage(
            "org.osbuild.chmod",
            json!({ "items": { "/few/x": { "mode": "6755" }, "/few": { "mode": "3771" } } })
        ),
    ]))
}

fn look(scratch: &Scratch, directory: &str) -> String {
    let script = format!(
        r#"set -eu
        {LIST}
        mkdir -p "$2"
        attach "$1" "$2" norecovery,offset=1048576,sizelimit=335544320
        list "$2"
        stat -c %i "$2/few/x" "$2/few/a b/same as x" | uniq | wc -l
        umount "$2"
        dd if="$1" of="$2.xfs" bs=1M skip=1 count=320 conv=sparse status=none
        xfs_repair -n -f "$2.xfs" >/dev/null 2>&1
        xfs_db -r -f -c info "$2.xfs"
        rm "$2.xfs"
        "#
    );
    let image = scratch.path(&format!("{directory}/image/disk.img"));
    run_on(scratch, &image, &script)
}

fn tools() -> bool {
    can_run() && machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair"])
}

#[test]
fn what_a_prototype_of_xfs_cannot_say_is_there_all_the_same() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document());
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        look(&scratch, way)
    });
    for there in [
        "security.capability",
        "few/x|f|6755|0|0||2",
        "some where",
        "few/a\tb|f",
    ] {
        assert!(looks[0].contains(there), "{there}: {}", looks[0]);
    }
    similar_lines(&looks[0], &looks[1]);
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn an_ordinary_user_fills_xfs_as_root_does() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document());
    exported_by_root(&scratch, "image", "loop", &file).expect(0);
    exported_by_user(&scratch, "image", &file);
    similar_lines(&look(&scratch, "loop"), &look(&scratch, "out"));
}

/// In inodes, behind and before others, and in blocks where they take a word less or not.
#[test]
fn an_attribute_without_a_value_is_one() {
    if !tools() {
        return;
    }
    let scratch = Scratch::new();
    let mut steps = vec![step("write", "file", ""), step("mkdir", "directory", "")];
    for attribute in ["user.empty=0", "user.one=1", "user.none=0", "user.e=0"] {
        steps.push(step("set-xattr", "file", attribute));
    }
    for length in 1..6 {
        let empty = format!("user.{}=0", "e".repeat(length));
        steps.push(step("set-xattr", "directory", &empty));
        let full = format!("user.{}=300", "f".repeat(length));
        steps.push(step("set-xattr", "directory", &full));
    }
    let steps = manifest::stage("test.files", json!({ "steps": steps }));
    let file = scratch.json("manifest.json", &xfs_of(json!([steps])));
    let looks = ["loop", "none"].map(|way| {
        by_root(&scratch, way, &file).expect(0);
        look_at_attributes(&scratch, way)
    });
    assert!(looks[0].contains("user.none=\"\""), "{}", looks[0]);
    similar_lines(&looks[0], &looks[1]);
}

fn look_at_attributes(scratch: &Scratch, directory: &str) -> String {
    let script = format!(
        r#"set -eu
        {LIST}
        mkdir -p "$2"
        attach "$1" "$2" norecovery,offset=1048576,sizelimit=335544320
        list "$2"
        umount "$2"
        dd if="$1" of="$2.xfs" bs=1M skip=1 count=320 conv=sparse status=none
        xfs_repair -n -f "$2.xfs" 2>&1
        rm "$2.xfs"
        "#
    );
    let image = scratch.path(&format!("{directory}/image/disk.img"));
    run_on(scratch, &image, &script)
}
