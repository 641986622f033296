//! Machines and users that lack something.
use super::with_directories;
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths, user};
use serde_json::json;
use std::path::Path;

/// The program with `directory` on a file system of its own with so much space.
fn with_space(directory: &Path, size: &str, arguments: &str) -> Program {
    let script = format!(
        r#"mount -t tmpfs -o size={size},mode=755 none "{}" && exec "$@""#,
        directory.display()
    );
    through_shell_in_namespace(&script, arguments)
}

#[test]
fn a_full_disk_is_said_and_nothing_is_kept_of_what_failed() {
    if !machine::offers(&["unshare", "mount", "sfdisk", "mkfs.ext4"]) {
        return;
    }
    for size in ["64k", "400k"] {
        let scratch = Scratch::new();
        let program = with_space(
            &scratch.directory("store"),
            size,
            "run --export image --quiet",
        );
        let file = scratch.json("manifest.json", &manifest::disk());
        let ended = with_directories(&scratch, program)
            .arg(file)
            .run()
            .expect(1)
            .never_says("internal error");
        assert!(
            ended.all().to_lowercase().contains("space"),
            "{size}: what is missing is said: {}",
            ended.all()
        );
        assert!(!scratch.path("out/image").exists());
        machine::assert_nothing_left(scratch.root());
    }
}

#[test]
fn a_full_disk_while_a_tree_is_copied() {
    if !machine::offers(&["unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let tree = scratch.directory("tree");
    scratch.write("input/large", vec![7; 4 << 20]);
    let options = json!({ "paths": [{ "from": "input://in/large", "to": "tree:///large" }] });
    let arguments =
        json!({ "options": options, "inputs": { "in": { "path": scratch.path("input") } } });
    let ended = with_space(&tree, "1m", "stage run org.osbuild.copy")
        .option("--tree", &tree)
        .option("--args", scratch.json("arguments", &arguments))
        .run()
        .expect(1);
    insta::assert_snapshot!(steady(&ended.all(), Some(&scratch)).trim(), @r#"
    copying input://in/large to tree:///large
    error: cannot copy input://in/large to tree:///large
      caused by: /run/osbuild/tree/large: no space left on the device: free some, or use another store
    "#);
}

#[test]
fn a_store_that_cannot_be_written() {
    if !machine::offers(&user::PROGRAMS) {
        return;
    }
    let scratch = Scratch::new();
    let ended = user::machine(&scratch)
        .run("run --store /proc/sys/store")
        .arg(paths::sample("tar.json"))
        .run()
        .expect(1);
    insta::assert_snapshot!(steady(&ended.all(), Some(&scratch)).trim(), @r#"
    error: cannot make /proc/sys/store
      cause: No such file or directory (os error 2)
    "#);
}

#[test]
fn an_output_directory_that_cannot_be_written_is_told_before_the_first_stage() {
    let scratch = Scratch::new();
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    scratch.write("file", "");
    scratch.write("taken/tree", "");
    let directory = |name: &str| scratch.path(name).to_string_lossy().into_owned();
    for (output, says) in [
        (directory("file/below"), "file/below"),
        (directory("taken"), "taken/tree: is there and no directory"),
        ("/proc/x".to_owned(), "nothing can be made in /proc: "),
        (
            "/proc/sys/a/b".to_owned(),
            "nothing can be made in /proc/sys: ",
        ),
    ] {
        // Not only what the kernel says, but what it is about.
        Program::new("run --export tree")
            .option("--store", scratch.path("store"))
            .option("--output-directory", &output)
            .arg(&file)
            .run()
            .expect(1)
            .says(&format!("error: cannot export tree to {output}/tree: "))
            .says(says)
            .never_says("org.osbuild.hostname")
            .never_says("internal error");
    }
    // Looking leaves nothing.
    let left = scratch.path("taken").read_dir().expect("taken").count();
    assert_eq!(left, 1);
    Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--learn", scratch.path("nowhere/policy.toml"))
        .arg(&file)
        .run()
        .expect(2)
        .says("nowhere/policy.toml")
        .never_says("org.osbuild.hostname");
}

#[test]
fn a_store_that_is_something_else() {
    let scratch = Scratch::new();
    let file = scratch.json(
        "manifest.json",
        &manifest::tree(json!([manifest::hostname("a")])),
    );
    let store = scratch.write("store", "a file");
    Program::new("run")
        .option("--store", store)
        .arg(file)
        .run()
        .expect(1)
        .never_says("internal error")
        .says("store");
}

#[test]
fn a_missing_helper_is_said() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    // The helper is looked for beside the program.
    let alone = scratch.path("osbuild-wasm");
    std::fs::copy(paths::program(), &alone).expect("a copy");
    let file = scratch.json("manifest.json", &manifest::disk());
    let ended = std::process::Command::new(&alone)
        .args(["run", "--quiet", "--export", "image", "--store"])
        .arg(scratch.path("store"))
        .arg("--output-directory")
        .arg(scratch.path("out"))
        .arg(file)
        .env("XDG_CACHE_HOME", paths::kept("cache"))
        .output()
        .expect("the copy runs");
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("osbuild-wasm-helper") && said.lines().count() < 4,
        "{said}"
    );
}
