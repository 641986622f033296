//! Programs that a component runs through `command`.
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine};
use serde_json::{Value, json};

const SECRET: &str = "the-secret-of-the-host";

fn run(scratch: &Scratch, runs: Value) -> Ended {
    hostile::stage(scratch, "programs", json!({ "runs": runs })).run()
}

#[test]
fn only_programs_of_the_module_document_run() {
    if !machine::offers(&[]) {
        return;
    }
    let programs = [
        "sh",
        "/bin/sh",
        "/usr/bin/sh",
        "../bin/sh",
        "/usr/bin/../bin/sh",
        "bash",
        "mount",
        "/run/osbuild/tree/evil",
        "",
        "tru",
    ];
    let mut runs: Vec<_> = programs
        .iter()
        .map(|program| json!({ "program": program }))
        .collect();
    runs.push(json!({ "program": "true" }));
    let scratch = Scratch::new();
    scratch.write("tree/evil", "#!/bin/sh\n");
    let ended = run(&scratch, runs.into()).expect(1).says("true: ok");
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        programs.len(),
        "{}",
        ended.all()
    );
}

#[test]
fn a_program_that_the_tree_brings_under_a_granted_name_runs_only_inside_the_tree() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("tree/usr/bin/true", "#!/bin/sh\necho evil\n");
    run(&scratch, json!([{ "program": "true" }]))
        .expect(0)
        .never_says("evil");
    // Nor does a variable bring it in.
    let variables = [
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "NOT_IN_THE_DOCUMENT",
    ];
    let with = |name: &str| json!({ "program": "true", "environment": [[name, "/run/osbuild/tree/usr/bin"]] });
    let ended = run(&scratch, variables.map(with).to_vec().into()).expect(1);
    let refused = ended.stdout.matches(": refused: ").count();
    assert_eq!(refused, variables.len(), "{}", ended.all());
}

#[test]
fn a_program_does_not_see_the_host() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let secret = scratch.write("outside/secret", SECRET);
    let cat = |path: &str| json!({ "program": "cat", "arguments": [path] });
    let hidden = [
        &*secret.to_string_lossy(),
        "/root/.profile",
        "/dev/kmsg",
        "/dev/loop-control",
        "/dev/vda",
        "/proc/1/environ",
    ];
    let own = ["/proc/self/environ", "/proc/self/mountinfo"];
    let runs: Vec<_> = hidden.iter().chain(&own).map(|path| cat(path)).collect();
    let program =
        hostile::stage(&scratch, "programs", json!({ "runs": runs })).env("SECRET", SECRET);
    let ended = program
        .run()
        .expect(1)
        .never_says(SECRET)
        .never_says("outside/secret ext");
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        hidden.len(),
        "{}",
        ended.all()
    );
}

#[test]
fn a_program_sees_accounts_made_by_the_runner_not_those_of_the_host() {
    if !machine::offers(&[]) {
        return;
    }
    let passwords = std::fs::read_to_string("/etc/shadow").expect("root reads it");
    let host = passwords
        .lines()
        .find(|line| line.starts_with("root:"))
        .expect("root has an entry");
    run(
        &Scratch::new(),
        json!([{ "program": "cat", "arguments": ["/etc/shadow"] }]),
    )
    .never_says(host);
}

#[test]
fn a_program_reads_writes_and_binds_only_what_the_stage_was_granted() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let secret = scratch.write("outside/secret", SECRET);
    scratch.write("input/file", "of the input");
    scratch.directory("tree");
    scratch.link(&secret, "tree/link");
    let stdin = |path: &str| json!({ "program": "cat", "stdin": path });
    let stdout = |path: &str| json!({ "program": "cat", "arguments": ["/run/osbuild/inputs/in/file"], "stdout": path });
    let bind = |source: &str, target: &str| json!({ "program": "cat", "arguments": [format!("{target}/secret")], "bind": [source, target] });
    let outside = scratch.path("outside");
    let runs = json!([
        stdin(&secret.to_string_lossy()),
        stdin("/run/osbuild/tree/link"),
        stdin("/run/osbuild/tree/../outside/secret"),
        stdin("/etc/shadow"),
        stdout(&secret.to_string_lossy()),
        stdout("/run/osbuild/tree/link"),
        stdout("/run/osbuild/inputs/in/file"),
        bind(&outside.to_string_lossy(), "/mnt"),
        bind("/run/osbuild/tree/../outside", "/mnt"),
        bind("/run/osbuild/inputs/in", "/mnt"),
    ]);
    let arguments = json!({ "options": { "runs": runs }, "inputs": { "in": { "path": scratch.path("input") } } });
    let ended = hostile::with_arguments(&scratch, "programs", &arguments)
        .run()
        .expect(1);
    let ended = ended.never_says(SECRET).never_says("internal error");
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        10,
        "{}",
        ended.all()
    );
    assert_eq!(scratch.read("outside/secret"), SECRET);
    assert_eq!(scratch.read("input/file"), "of the input");
}

#[test]
fn a_program_has_no_network() {
    if !machine::offers(&[]) {
        return;
    }
    let runs = json!([{ "program": "cat", "arguments": ["/proc/net/dev"] }]);
    let ended = run(&Scratch::new(), runs).expect(0);
    let interfaces: Vec<_> = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !name.starts_with("cat "))
        .collect();
    assert!(
        interfaces.iter().all(|name| name == "lo"),
        "{interfaces:?} of {}",
        ended.stdout
    );
}

#[test]
fn a_program_that_hangs_ends_with_the_stage() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let runs = json!({ "runs": [{ "program": "sleep", "arguments": ["300"] }] });
    let ended = hostile::stage(&scratch, "programs", runs)
        .option("--stage-timeout", "1")
        .run()
        .expect(1)
        .says("--stage-timeout");
    assert!(ended.took.as_secs() < 10, "it took {:?}", ended.took);
    machine::assert_nothing_left(scratch.root());
}

/// The check follows links as the helper does, and the helper is told where they lead.
#[test]
fn what_a_program_prints_goes_only_where_the_stage_may_write() {
    if !machine::offers(&["cat"]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("tree/elsewhere/there", "unchanged");
    scratch.directory("tree/own");
    for (text, link) in [
        ("/elsewhere/made", "dangling"),
        ("../own/next", "first"),
        ("../elsewhere/made", "next"),
        ("/elsewhere/there", "link"),
    ] {
        scratch.link(text, &format!("tree/own/{link}"));
    }
    let rights = json!([{ "verbs": ["read", "create", "replace"], "paths": ["/own/**"] }]);
    let cat = |stdout: &str, in_tree: bool| json!({ "program": "cat", "arguments": ["/etc/hostname"], "stdout": stdout, "in_tree": in_tree });
    let runs = json!({ "runs": [
        cat("/run/osbuild/tree/own/dangling", false),
        cat("/run/osbuild/tree/own/first", false),
        cat("/run/osbuild/tree/own/link", false),
        cat("/elsewhere/new", true),
        cat("/own/../elsewhere/there", true),
    ] });
    let ended = Program::new("stage run test.narrow")
        .option(
            "--libdir",
            hostile::with_rights(&scratch, "programs", &rights),
        )
        .option("--tree", scratch.path("tree"))
        .option(
            "--args",
            scratch.json("arguments", &json!({ "options": runs })),
        )
        .run()
        .expect(1);
    for refusal in [
        "create /elsewhere/made",
        "replace /elsewhere/there",
        "create /elsewhere/new",
    ] {
        assert!(
            ended.stdout.contains(&format!("may not {refusal}: ")),
            "{}",
            ended.all()
        );
    }
    assert_eq!(scratch.read("tree/elsewhere/there"), "unchanged");
    let there = std::fs::read_dir(scratch.path("tree/elsewhere")).expect("a directory");
    assert_eq!(there.count(), 1);
}
