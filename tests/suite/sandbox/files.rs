//! Ways out of the tree by paths, links and special files.
use osbuild_wasm_tests::hostile::{self, files};
use osbuild_wasm_tests::{Scratch, machine};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Content of the file outside of the tree.
const SECRET: &str = "the-secret-of-the-host";

/// A scratch directory with `outside/secret` beside the tree, and links of the tree that lead there.
fn beside_a_secret() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("outside/secret", SECRET);
    scratch.directory("tree/dir");
    scratch.link(scratch.path("outside"), "tree/absolute");
    scratch.link(scratch.path("outside/secret"), "tree/absolute-file");
    scratch.link("../outside", "tree/relative");
    scratch.link("../../../../../../../../../etc", "tree/dir/far");
    scratch.link("/proc/self/root", "tree/proc-root");
    scratch.link("/proc/self/cwd", "tree/proc-cwd");
    scratch.link("/proc/self/fd", "tree/proc-fd");
    scratch
}

/// Runs the steps, each of which must be refused, and checks that the secret was neither shown nor changed.
#[track_caller]
fn refused(scratch: &Scratch, steps: &[&str]) {
    let outside = || fs::metadata(scratch.path("outside/secret")).expect("the secret stays");
    let before = outside();
    let ended = files(scratch, steps).expect(1).never_says(SECRET);
    let count = ended.stdout.matches(": refused: ").count();
    assert_eq!(
        count,
        steps.len(),
        "every step is refused:\n{}",
        ended.all()
    );
    ended.never_says("panicked").never_says("internal error");
    assert_eq!(scratch.read("outside/secret"), SECRET);
    let after = outside();
    assert_eq!((before.mode(), before.uid()), (after.mode(), after.uid()));
    let names = fs::read_dir(scratch.path("outside")).expect("a directory");
    assert_eq!(names.count(), 1, "nothing was made outside");
}

/// Both doors, with every verb that reads or changes what a path leads to.
fn every_way(path: &str) -> Vec<String> {
    let verbs = |door: &str, verbs: &[&str]| {
        let step = |verb: &&str| format!("{door} {verb} /run/osbuild/tree/{path}");
        verbs.iter().map(step).collect::<Vec<_>>()
    };
    let mut steps = verbs(
        "tree",
        &[
            "read", "write", "append", "replace", "chmod", "chown", "remove", "list",
        ],
    );
    steps.extend(verbs("std", &["read", "write", "remove", "list"]));
    steps
}

#[track_caller]
fn refused_every_way(path: &str) {
    let steps = every_way(path);
    refused(
        &beside_a_secret(),
        &steps.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn an_absolute_link_does_not_lead_out_of_the_tree() {
    refused_every_way("absolute/secret");
}

#[test]
fn a_relative_link_does_not_lead_out_of_the_tree() {
    refused_every_way("relative/secret");
}

#[test]
fn dot_dot_does_not_lead_out_of_the_tree() {
    refused_every_way("../outside/secret");
    refused_every_way("dir/../../outside/secret");
}

#[test]
fn a_link_at_the_end_of_the_path_does_not_lead_out_of_the_tree() {
    let scratch = beside_a_secret();
    refused(
        &scratch,
        &[
            "tree read /run/osbuild/tree/absolute-file",
            "std read /run/osbuild/tree/absolute-file",
        ],
    );
    // The link means a path of the tree, whose directories do not exist.
    refused(
        &scratch,
        &[
            "tree write /run/osbuild/tree/absolute-file",
            "std write /run/osbuild/tree/absolute-file",
        ],
    );
}

#[test]
fn an_absolute_link_means_the_tree_itself() {
    let scratch = beside_a_secret();
    scratch.write("tree/etc/here", "of the tree");
    scratch.link("/etc", "tree/to-etc");
    scratch.link("/../../etc", "tree/above-etc");
    files(
        &scratch,
        &[
            "tree read /run/osbuild/tree/to-etc/here",
            "tree read /run/osbuild/tree/above-etc/here",
        ],
    )
    .expect(0)
    .says("ok: of the tree");
}

#[test]
fn links_that_a_component_makes_itself_do_not_lead_out() {
    let scratch = beside_a_secret();
    let secret = scratch.path("outside/secret");
    let made = format!("tree symlink /run/osbuild/tree/own {}", secret.display());
    let ended = files(
        &scratch,
        &[
            &made,
            "tree read /run/osbuild/tree/own",
            "std read /run/osbuild/tree/own",
        ],
    )
    .expect(1);
    assert!(
        ended
            .says("own: ok")
            .never_says(SECRET)
            .stdout
            .contains("read /run/osbuild/tree/own: refused")
    );
}

#[test]
fn paths_of_the_host_are_refused() {
    let scratch = beside_a_secret();
    let secret = scratch.path("outside/secret");
    let paths = [
        "/etc/shadow",
        "/proc/self/environ",
        "/proc/self/mem",
        "/dev/null",
        "/sys/kernel",
        "/",
        &*secret.to_string_lossy(),
    ];
    let steps: Vec<_> = paths
        .iter()
        .flat_map(|path| {
            ["tree read", "tree list", "std read", "std list"].map(|way| format!("{way} {path}"))
        })
        .collect();
    refused(
        &scratch,
        &steps.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn links_of_proc_do_not_lead_out_of_the_tree() {
    let scratch = beside_a_secret();
    refused(
        &scratch,
        &[
            "tree read /run/osbuild/tree/proc-root/etc/passwd",
            "std read /run/osbuild/tree/proc-root/etc/passwd",
            "tree list /run/osbuild/tree/proc-cwd/",
            "std list /run/osbuild/tree/proc-cwd/",
            "tree list /run/osbuild/tree/proc-fd/",
            "std list /run/osbuild/tree/proc-fd/",
        ],
    );
}

#[test]
fn copy_does_not_follow_links_out_of_the_tree() {
    let scratch = beside_a_secret();
    refused(
        &scratch,
        &[
            "tree copy /run/osbuild/tree/absolute-file /run/osbuild/tree/stolen",
            "tree copy /run/osbuild/tree/absolute /run/osbuild/tree/stolen",
            "tree copy /run/osbuild/tree/../outside/secret /run/osbuild/tree/stolen",
        ],
    );
    assert!(!scratch.path("tree/stolen/secret").exists());
}

#[test]
fn removing_a_tree_of_links_removes_only_the_links() {
    let scratch = beside_a_secret();
    scratch.link(scratch.path("outside"), "tree/dir/link");
    files(&scratch, &["tree remove-all /run/osbuild/tree/dir"]).expect(0);
    assert!(!scratch.path("tree/dir").exists());
    scratch.directory("tree/dir");
    scratch.link(scratch.path("outside"), "tree/dir/link");
    _ = files(&scratch, &["std remove-all /run/osbuild/tree/dir"]);
    assert_eq!(scratch.read("outside/secret"), SECRET);
}

#[test]
fn a_device_node_can_be_made_but_not_opened() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    // 1:5 is /dev/zero: reading it would never end; its block twin is a memory disk.
    let ended = files(
        &scratch,
        &[
            "tree device /run/osbuild/tree/zero",
            "tree block-device /run/osbuild/tree/disk",
            "tree read /run/osbuild/tree/zero",
            "tree write /run/osbuild/tree/zero",
            "tree read /run/osbuild/tree/disk",
            "std read /run/osbuild/tree/zero",
            "std write /run/osbuild/tree/zero",
            "std read /run/osbuild/tree/disk",
        ],
    )
    .expect(1);
    assert_eq!(ended.stdout.matches(": ok: ").count(), 2, "{}", ended.all());
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        6,
        "{}",
        ended.all()
    );
}

#[test]
fn a_device_node_that_lies_in_the_tree_is_not_opened() {
    if !machine::offers(&["mknod"]) {
        return;
    }
    let scratch = Scratch::new();
    let node = scratch.directory("tree").join("zero");
    let made = std::process::Command::new("mknod")
        .arg(&node)
        .args(["c", "1", "5"])
        .status();
    assert!(made.expect("mknod").success());
    let ended = files(
        &scratch,
        &[
            "tree read /run/osbuild/tree/zero",
            "std read /run/osbuild/tree/zero",
        ],
    )
    .expect(1);
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        2,
        "{}",
        ended.all()
    );
}

/// Runs steps on a tree with a pipe: opening one without another end would wait for ever.
fn open_pipe(steps: &[&str], seconds: &str) -> osbuild_wasm_tests::Ended {
    let scratch = Scratch::new();
    let made = std::process::Command::new("mkfifo")
        .arg(scratch.directory("tree").join("pipe"))
        .status();
    assert!(made.expect("mkfifo").success());
    let steps: Vec<_> = steps.iter().map(|step| hostile::step(step)).collect();
    let program = hostile::stage(&scratch, "files", json!({ "steps": steps }))
        .option("--stage-timeout", seconds);
    program.limit(Duration::from_secs(20)).run().expect(1)
}

#[test]
fn a_pipe_does_not_hang_tree() {
    let steps = [
        "tree read /run/osbuild/tree/pipe",
        "tree write /run/osbuild/tree/pipe",
        "tree append /run/osbuild/tree/pipe",
    ];
    let ended = open_pipe(&steps, "10").never_says("time limit");
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        steps.len(),
        "{}",
        ended.all()
    );
}

#[test]
fn a_pipe_is_refused_at_once_through_wasi() {
    let steps = [
        "std read /run/osbuild/tree/pipe",
        "std write /run/osbuild/tree/pipe",
        "std append /run/osbuild/tree/pipe",
    ];
    let ended = open_pipe(&steps, "10").never_says("time limit");
    let refused = ended.stdout.matches(": refused: ").count();
    assert_eq!(refused, steps.len(), "{}", ended.all());
    ended.says("neither a regular file nor a directory");
}

#[test]
fn a_pipe_can_be_made() {
    let scratch = Scratch::new();
    files(&scratch, &["tree fifo /run/osbuild/tree/pipe"]).expect(0);
}

#[test]
fn the_tree_itself_cannot_be_moved_or_removed() {
    let scratch = beside_a_secret();
    let steps = [
        "tree remove /run/osbuild/tree",
        "tree rename /run/osbuild/tree /run/osbuild/tree/below",
        "tree remove-all /run/osbuild/tree/..",
        "tree remove-all /",
        "tree remove-all /run/osbuild",
        "std remove-all /run/osbuild",
    ];
    refused(&scratch, &steps);
    assert!(scratch.path("tree/dir").is_dir());
}

/// Runs one step in a manifest and exports the tree.
fn in_manifest(scratch: &Scratch, steps: &[&str]) -> osbuild_wasm_tests::Ended {
    let steps: Vec<_> = steps.iter().map(|step| hostile::step(step)).collect();
    let stage = osbuild_wasm_tests::manifest::stage("test.files", json!({ "steps": steps }));
    let manifest = osbuild_wasm_tests::manifest::tree(json!([stage]));
    osbuild_wasm_tests::Program::new("run --export tree")
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest", &manifest))
        .run()
}

#[test]
fn a_copy_of_a_directory_to_a_link_does_not_lead_out_of_the_tree() {
    for source in ["source", "source/."] {
        let scratch = Scratch::new();
        scratch.write("tree/source/file", "HOSTILE");
        scratch.directory("outside");
        // It leads nowhere inside of the tree, and somewhere on this machine.
        scratch.link(scratch.path("outside"), "tree/link");
        let step = format!("tree copy-links /run/osbuild/tree/{source} /run/osbuild/tree/link");
        files(&scratch, &[&step]).expect(1);
        let outside = std::fs::read_dir(scratch.path("outside")).expect("a directory");
        assert_eq!(outside.count(), 0, "{source}");
    }
}

#[test]
fn directories_deeper_than_any_path_do_not_bring_the_program_down() {
    let scratch = Scratch::new();
    let kept = in_manifest(&scratch, &["tree deepen /run/osbuild/tree"]);
    assert!(
        kept.code() <= 1,
        "exit code {}\n{}",
        kept.code(),
        kept.all()
    );
    let longest = kept.stderr.lines().map(str::len).max();
    assert!(longest < Some(1000), "{}", kept.all());
    kept.says("…/d/").never_says("internal error");
}

#[test]
fn open_files_without_end_are_refused() {
    let scratch = Scratch::new();
    scratch.write("tree/file", "");
    let ended = files(&scratch, &["tree hoard /run/osbuild/tree/file"]).expect(1);
    ended.says(": refused: ").never_says("internal error");
}

#[test]
fn control_characters_of_a_log_do_not_reach_the_terminal() {
    let ended = in_manifest(
        &Scratch::new(),
        &["tree read /run/osbuild/tree/\u{1b}[31m\u{7}red"],
    )
    .expect(1);
    ended.says("red").never_says("\u{1b}").never_says("\u{7}");
}

#[test]
fn an_input_can_be_read_but_not_changed() {
    let scratch = Scratch::new();
    let file = scratch.write("input/file", SECRET);
    let steps = [
        "tree read /run/osbuild/inputs/in/file",
        "tree write /run/osbuild/inputs/in/file",
        "tree append /run/osbuild/inputs/in/file",
        "tree replace /run/osbuild/inputs/in/file",
        "tree chmod /run/osbuild/inputs/in/file",
        "tree remove /run/osbuild/inputs/in/file",
        "tree rename /run/osbuild/inputs/in/file /run/osbuild/tree/moved",
        "std write /run/osbuild/inputs/in/file",
        "std remove /run/osbuild/inputs/in/file",
        "std rename /run/osbuild/inputs/in/file /run/osbuild/tree/moved",
    ]
    .map(hostile::step);
    let before = fs::metadata(&file).expect("the input").mode();
    let ended = with_input(&scratch, &steps).expect(1);
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        steps.len() - 1,
        "{}",
        ended.all()
    );
    assert_eq!(scratch.read("input/file"), SECRET);
    assert_eq!(fs::metadata(&file).expect("the input").mode(), before);
}

#[test]
fn a_hard_link_to_an_input_does_not_open_it_for_writing() {
    let scratch = Scratch::new();
    scratch.write("input/file", SECRET);
    let steps = [
        "tree hard-link /run/osbuild/inputs/in/file /run/osbuild/tree/mine",
        "tree write /run/osbuild/tree/mine",
        "tree chmod /run/osbuild/tree/mine",
        "std hard-link /run/osbuild/inputs/in/file /run/osbuild/tree/mine2",
        "std write /run/osbuild/tree/mine2",
    ]
    .map(hostile::step);
    let before = fs::metadata(scratch.path("input/file"))
        .expect("the input")
        .mode();
    let ended = with_input(&scratch, &steps).expect(1);
    assert_eq!(
        ended
            .stdout
            .matches("hard-link /run/osbuild/inputs/in/file: refused")
            .count(),
        2,
        "{}",
        ended.all()
    );
    assert_eq!(scratch.read("input/file"), SECRET);
    assert_eq!(
        fs::metadata(scratch.path("input/file"))
            .expect("the input")
            .mode(),
        before
    );
}

fn with_input(scratch: &Scratch, steps: &[serde_json::Value]) -> osbuild_wasm_tests::Ended {
    let arguments = json!({ "options": { "steps": steps }, "inputs": { "in": { "path": scratch.path("input") } } });
    hostile::with_arguments(scratch, "files", &arguments).run()
}
