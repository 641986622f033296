//! Names that are hard to write down: every file system without loop devices has them.
use super::same::{LIST, run_on, similar_lines};
use super::{by_root, can_run, file_system_of, step};
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};

const NAMES: [&str; 8] = [
    "line\nend",
    "\n",
    "\n\n",
    "a \"b\"\n",
    "\"",
    "back\\slash\n",
    " ",
    "-w",
];

/// Files, directories and links of these names, links with several of them, and a path that is as long as paths may be.
fn steps() -> Vec<Value> {
    let mut steps = Vec::new();
    for kind in ["files", "links", "same", "directories"] {
        steps.push(step("mkdir", kind, ""));
    }
    for name in NAMES {
        steps.push(step("write", &format!("files/{name}"), ""));
        steps.push(step("symlink", &format!("links/{name}"), "some where"));
        steps.push(step(
            "hard-link",
            &format!("links/{name}"),
            &format!("same/{name}"),
        ));
        steps.push(step("mkdir", &format!("directories/{name}"), ""));
        steps.push(step("touch", &format!("files/{name}"), ""));
        steps.push(step("touch", &format!("directories/{name}"), ""));
    }
    let mut deep = String::from("directories");
    for _ in 0..14 {
        deep = format!("{deep}/{}", "\"".repeat(250));
        steps.push(step("mkdir", &deep, ""));
    }
    steps.push(step("write", &format!("{deep}/x"), ""));
    steps.push(step("touch", &format!("{deep}/x"), ""));
    steps
}

#[test]
fn names_with_line_ends_are_in_every_file_system() {
    if !can_run() || !machine::offers(&["mkfs.xfs", "xfs_db", "xfs_repair"]) {
        return;
    }
    for kind in ["ext4", "btrfs", "xfs"] {
        let scratch = Scratch::new();
        let stage = manifest::stage("test.files", json!({ "steps": steps() }));
        let document = file_system_of(kind, json!([stage]));
        let file = scratch.json("manifest.json", &document);
        let looks = ["loop", "none"].map(|way| {
            by_root(&scratch, way, &file).expect(0);
            let script = format!(
                r#"set -eu
                {LIST}
                mkdir -p "$2"
                mount -t {kind} -o loop,ro,offset=1048576,sizelimit=335544320 "$1" "$2"
                list "$2"
                find "$2" -type l -links 2 | wc -l
                umount "$2"
                "#
            );
            let image = scratch.path(&format!("{way}/image/disk.img"));
            run_on(&scratch, &image, &script)
        });
        similar_lines(&looks[0], &looks[1]);
        machine::assert_nothing_left(scratch.root());
    }
}
