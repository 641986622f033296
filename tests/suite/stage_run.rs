//! One stage on a directory of this machine.
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_missing_tree_is_made_but_not_its_parents() {
    let scratch = Scratch::new();
    let arguments = json!({ "options": { "hostname": "new" } });
    let run = |tree: &str| {
        Program::new("stage run org.osbuild.hostname")
            .option("--tree", scratch.path(tree))
            .option("--args", scratch.json("arguments.json", &arguments))
            .run()
    };
    run("tree").expect(0);
    assert_eq!(scratch.read("tree/etc/hostname"), "new\n");
    run("missing/tree").expect(2).says("missing/tree");
    assert!(!scratch.path("missing").exists());
}

#[test]
fn set_uid_programs_in_the_tree_that_others_reach_are_told() {
    let scratch = Scratch::new();
    let open = |path: &str, mode: u32| {
        let path = scratch.path(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let chmod = |to: &str| {
        scratch.write("place/tree/program", "");
        open("place/tree/program", 0o755);
        let arguments = json!({ "options": { "items": { "/program": { "mode": to } } } });
        Program::new("stage run org.osbuild.chmod")
            .option("--tree", scratch.path("place/tree"))
            .option("--args", scratch.json("arguments", &arguments))
            .run()
            .expect(0)
    };
    let warning = "others may reach set-uid programs";
    chmod("0711").never_says("warning");
    open("", 0o755);
    chmod("4755").says(warning).says("chmod 0700");
    for closed in ["place/tree", "place", ""] {
        open(closed, 0o700);
        chmod("4755").never_says("warning");
        open(closed, 0o755);
    }
}
