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
fn others_do_not_reach_set_uid_programs_in_the_tree_or_that_is_said() {
    let scratch = Scratch::new();
    let open = |path: &str, mode: u32| {
        let path = scratch.path(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let mode = |path: &str| {
        fs::metadata(scratch.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    let chmod = |place: &str, to: &str| {
        scratch.write(&format!("{place}/tree/program"), "");
        open(&format!("{place}/tree/program"), 0o755);
        open("", 0o755);
        let arguments = json!({ "options": { "items": { "/program": { "mode": to } } } });
        Program::new("stage run org.osbuild.chmod")
            .option("--tree", scratch.path(place).join("tree"))
            .option("--args", scratch.json("arguments", &arguments))
            .run()
            .expect(0)
    };
    let warning = "others may reach set-uid programs";
    chmod("harmless", "0711").never_says("warning");
    assert_eq!(mode("harmless") & 0o55, 0o55);
    // Nothing else is there, as with an export.
    chmod("alone", "4755").never_says("warning");
    assert_eq!(mode("alone"), 0o700);
    // Others may have something to do there.
    scratch.write("shared/other", "");
    let shared = chmod("shared", "4755").says(warning);
    shared.says("chmod 0700");
    assert_eq!(mode("shared") & 0o55, 0o55);
    // It was there before, and stays.
    chmod("shared", "4711").says(warning);
    open("shared/tree", 0o700);
    chmod("shared", "4755").never_says("warning");
}
