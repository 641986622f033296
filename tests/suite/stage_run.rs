//! One stage on a directory of this machine.
use osbuild_wasm_tests::{Program, Scratch};
use serde_json::json;

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
