//! `run --policy` and `plan --policy`.
use super::{assert_fits, plugin, shown};
use osbuild_wasm_capability::Policy;
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, manifest, paths};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Policies of the samples.
const SAMPLES: [&str; 2] = ["ci-strict.toml", "workstation.toml"];

fn sample(name: &str) -> std::path::PathBuf {
    paths::sample("policies").join(name)
}

/// A run of a manifest with pipeline `tree` under a policy.
fn run(scratch: &Scratch, manifest: &Value, policy: &str) -> Ended {
    Program::new("run --quiet --export tree")
        .option("--policy", scratch.write("policy.toml", policy))
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest.json", manifest))
        .run()
}

#[test]
fn every_sample_policy_builds_the_small_sample() {
    for name in SAMPLES {
        let scratch = Scratch::new();
        Program::new("run --quiet --export archive")
            .option("--policy", sample(name))
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(paths::sample("tar.json"))
            .run()
            .expect(0);
        assert!(scratch.path("out/archive/tree.tar.gz").is_file(), "{name}");
    }
}

#[test]
fn the_strict_policy_allows_the_disk_and_denies_other_programs() {
    let scratch = Scratch::new();
    let plan = |manifest: &Value| {
        Program::new("plan --format json")
            .option("--policy", sample("ci-strict.toml"))
            .arg(scratch.json("m", manifest))
            .run()
    };
    let disk = plan(&manifest::disk()).expect(0).json();
    let rule = &disk["pipelines"][1]["stages"][1]["decision"]["rule"];
    assert_eq!(rule, "rule \"partitions and file systems\" (line 40)");
    let other = manifest::stage("org.osbuild.authselect", json!({ "profile": "sssd" }));
    let denied = plan(&manifest::tree(json!([other]))).expect(1);
    denied.says("program authselect");
}

#[test]
fn a_denial_costs_nothing_and_says_stage_capability_place_rule_and_lines() {
    let scratch = Scratch::new();
    let stages = manifest::tree(json!([
        manifest::stage("org.osbuild.authselect", json!({ "profile": "sssd" })),
        manifest::hostname("x")
    ]));
    let policy = "version = 1\n\n[[rule]]\nname = \"edits\"\nmodules = [\"org.osbuild.auth*\"]\n";
    let ended = run(&scratch, &stages, policy).expect(1);
    insta::assert_snapshot!(shown(&ended, &scratch));
    assert!(!scratch.path("store").exists(), "nothing ran");
}

#[test]
fn the_lines_that_a_denial_names_allow_the_plan() {
    let scratch = Scratch::new();
    let library = plugin(&scratch, json!({}));
    let manifest = super::manifest(&scratch);
    let mut policy = "version = 1\n".to_owned();
    let plan = |policy: &str| {
        Program::new("plan")
            .option("--libdir", &library)
            .option("--policy", scratch.write("policy.toml", policy))
            .arg(&manifest)
            .run()
    };
    let denied = plan(&policy).expect(1).stderr;
    let lines: Vec<_> = denied
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("  cause:"))
        .map(|line| line[2..].to_owned())
        .collect();
    policy += &lines.join("\n");
    plan(&policy).expect(0).says("decision: granted");
}

#[test]
fn a_denial_is_a_result_document_where_json_is_asked_for() {
    let scratch = Scratch::new();
    let ended = Program::new("run --json --export tree --policy")
        .arg(scratch.write("policy.toml", "version = 1"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("m", &manifest::tree(json!([manifest::hostname("x")]))))
        .run()
        .expect(1);
    let document = ended.json();
    assert_eq!(document["success"], Value::Bool(false));
    assert!(
        document.to_string().contains("denies org.osbuild.hostname"),
        "{document:#}"
    );
}

#[test]
fn mistakes_in_a_policy_are_shown_with_their_line() {
    let scratch = Scratch::new();
    let mistakes = [
        "version = 1\n\n[[rule]]\nmodules = [\"*\"]\ntiers = \"basic\"\n",
        "version = 1\n\n[[rule]]\nmodules = [\"*\"]\ntier = \"elevatd\"\n",
        "version = 1\n\n[[rule]]\nmodules = [\"*\"]\nprograms = [\"rpm\"]\n",
        "version = 1\n\n[[rule]\n",
    ];
    let shown: Vec<_> = mistakes
        .iter()
        .map(|policy| {
            let ended = run(
                &scratch,
                &manifest::tree(json!([manifest::hostname("x")])),
                policy,
            )
            .expect(2);
            steady(&ended.stderr, Some(&scratch))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// A stage that does one thing with files.
fn attempt(step: &str) -> Value {
    manifest::tree(json!([manifest::stage(
        "test.files",
        json!({ "steps": [hostile::step(step)] })
    )]))
}

fn rule(more: &str) -> String {
    format!(
        "version = 1\n[[rule]]\nname = \"tests\"\nmodules = [\"test.*\"]\ntier = \"elevated\"\nprograms = [\"*\"]\n{more}\n"
    )
}

#[test]
fn rights_of_a_policy_hold_while_a_stage_runs() {
    let scratch = Scratch::new();
    let policy = rule(
        "rights = [{ verbs = [\"create\", \"replace\"], paths = [\"/allowed/**\", \"/allowed\"] }]",
    );
    let denied = run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(1)
    .says("may not create /made")
    .says("rule \"tests\" (line 2)");
    // The lines that it says to append are what is missing, as they stand in the message.
    let lines = denied.stderr.split_once("append to the policy:\n");
    let lines = lines.expect("lines to append").1;
    run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &format!("{policy}\n{lines}"),
    )
    .expect(0);
    run(
        &scratch,
        &attempt("std write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(1);
    run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &rule(""),
    )
    .expect(0);
}

#[test]
fn wasi_filesystem_can_be_forbidden() {
    let scratch = Scratch::new();
    run(
        &scratch,
        &attempt("std write /run/osbuild/tree/made"),
        &rule(""),
    )
    .expect(0);
    let policy = rule("wasi-filesystem = false");
    run(
        &scratch,
        &attempt("std write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(1);
    run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(0);
}

#[test]
fn limits_of_a_policy_hold_while_a_stage_runs() {
    let scratch = Scratch::new();
    let write = attempt("tree write /run/osbuild/tree/made");
    run(&scratch, &write, &rule("limits = { created-inodes = 0 }")).expect(1);
    run(&scratch, &write, &rule("limits = { written-bytes = 1 }")).expect(1);
    run(&scratch, &write, &rule("limits = { memory = 1000 }")).expect(1);
    run(&scratch, &write, &rule("limits = { created-inodes = 1, written-bytes = '1 KiB', memory = '64 MiB', time = '30s' }")).expect(0);
}

#[test]
fn a_program_that_is_withheld_is_refused_when_it_is_run() {
    let scratch = Scratch::new();
    let policy =
        "version = 1\n[[rule]]\nmodules = [\"test.*\"]\nasked-not-granted = \"withhold\"\n";
    run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        policy,
    )
    .expect(0);
    let programs = manifest::tree(json!([manifest::stage("test.programs", json!({}))]));
    run(&scratch, &programs, policy).expect(1);
}

#[test]
fn a_digest_that_is_not_the_component_s_is_denied() {
    let scratch = Scratch::new();
    let policy = rule(&format!("digests = [\"sha256:{}\"]", "0".repeat(64)));
    let ended = run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(1);
    ended.says("pins other digests");
}

#[test]
fn a_plugin_without_the_signature_that_is_required_is_denied() {
    let scratch = Scratch::new();
    let policy = rule("signers = [\"alice@example.org\"]");
    let ended = run(
        &scratch,
        &attempt("tree write /run/osbuild/tree/made"),
        &policy,
    )
    .expect(1);
    ended
        .says("requires a signature of alice@example.org")
        .says("that alice@example.org signed");
}

/// A run of the sample with these options in a store of its own.
fn build(
    scratch: &Scratch,
    store: &str,
    manifest: &std::path::Path,
    options: &[&std::path::Path],
) -> Ended {
    Program::new("run --quiet --export archive")
        .option("--store", scratch.path(store))
        .option("--output-directory", scratch.path(&format!("out-{store}")))
        .args(options)
        .arg(manifest)
        .run()
}

#[test]
fn a_learned_policy_allows_the_run_that_it_was_learned_from_and_no_other() {
    let scratch = Scratch::new();
    let (manifest, policy) = (paths::sample("tar.json"), scratch.path("learned.toml"));
    let (learn, by_policy) = (
        std::path::Path::new("--learn"),
        std::path::Path::new("--policy"),
    );
    build(&scratch, "a", &manifest, &[learn, &policy]).expect(0);
    let text = scratch.read("learned.toml");
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    insta::assert_snapshot!(text.replace(&*paths::workspace().to_string_lossy(), "[WORKSPACE]"));
    build(&scratch, "b", &manifest, &[by_policy, &policy]).expect(0);
    let other = std::fs::read_to_string(&manifest)
        .expect("the sample")
        .replace("/srv/www", "/srv/other");
    let other = scratch.write("other.json", other);
    build(&scratch, "c", &other, &[by_policy, &policy])
        .expect(1)
        .says("may not create /srv/other");
}

/// Whoever creates a directory looks first whether it is there, and may look because it may create.
#[test]
fn a_directory_that_was_there_already_is_learned_with_what_the_document_allows() {
    let scratch = Scratch::new();
    let rights = json!({ "rights": [{ "verbs": ["create"], "paths": ["/made"] }] });
    let library = hostile::with_document(&scratch, "files", &rights);
    let looks = json!({ "steps": [hostile::step("tree stat /run/osbuild/tree/made")] });
    let made = json!({ "paths": [{ "path": "/made" }] });
    let document = manifest::tree(json!([
        manifest::stage("org.osbuild.mkdir", made),
        manifest::stage("test.narrow", looks),
    ]));
    let manifest = scratch.json("manifest.json", &document);
    for (store, option) in [("a", "--learn"), ("b", "--policy")] {
        Program::new("run --quiet --export tree")
            .option("--libdir", &library)
            .option("--store", scratch.path(store))
            .option("--output-directory", scratch.path(&format!("out-{store}")))
            .option(option, scratch.path("learned.toml"))
            .arg(&manifest)
            .run()
            .expect(0);
    }
    let learned = scratch.read("learned.toml");
    assert!(
        learned.contains("\"create\"], paths = [\"/made\"]"),
        "{learned}"
    );
}

#[test]
fn a_learned_policy_has_programs_devices_and_mounts_that_were_used() {
    if !osbuild_wasm_tests::machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let manifest = scratch.json("disk.json", &manifest::disk());
    let run = |store: &str, option: &str| {
        Program::new("run --quiet --export image")
            .option("--store", scratch.path(store))
            .option("--output-directory", scratch.path(&format!("out-{store}")))
            .option(option, scratch.path("learned.toml"))
            .arg(&manifest)
            .run()
            .expect(0)
    };
    run("a", "--learn");
    let text = scratch.read("learned.toml");
    for part in [
        "programs = [\"sfdisk\"]",
        "programs = [\"mkfs.ext4\"]",
        "devices = [\"org.osbuild.loopback\"]",
        "mounts = [\"org.osbuild.ext4\"]",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    run("b", "--policy");
}

#[test]
fn every_sample_policy_fits_the_schema() {
    for name in SAMPLES {
        let text = std::fs::read_to_string(sample(name)).expect("a sample");
        Policy::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let document: Value = toml::from_str(&text).expect("TOML");
        assert_fits("policy", &document);
    }
}

#[test]
fn the_schema_of_policies_has_the_words_that_the_program_knows() {
    let path = paths::workspace().join("schemas/policy.json");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON");
    let keys = |pointer: &str| -> BTreeSet<String> {
        let object = schema.pointer(pointer).and_then(Value::as_object);
        object
            .unwrap_or_else(|| panic!("{pointer}"))
            .keys()
            .cloned()
            .collect()
    };
    let words = |pointer: &str| -> BTreeSet<String> {
        let list = schema
            .pointer(pointer)
            .and_then(Value::as_array)
            .unwrap_or_else(|| panic!("{pointer}"));
        list.iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let known = |text: &str| -> BTreeSet<String> {
        let error = Policy::parse(&format!("version = 1\n{text}")).expect_err(text);
        assert!(error.unknown.is_some(), "{error}");
        error.known.into_iter().collect()
    };
    let rule = |line: &str| known(&format!("[[rule]]\nmodules = ['*']\n{line}"));
    assert_eq!(known("zz = 1"), keys("/properties"));
    assert_eq!(rule("zz = 1"), keys("/definitions/rule/properties"));
    assert_eq!(
        known("[limits]\nzz = 1"),
        keys("/definitions/limits/properties")
    );
    assert_eq!(
        rule("tier = 'zz'"),
        words("/definitions/rule/properties/tier/enum")
    );
    assert_eq!(
        rule("asked-not-granted = 'zz'"),
        words("/definitions/rule/properties/asked-not-granted/enum")
    );
    assert_eq!(
        rule("interfaces = ['zz']"),
        words("/definitions/rule/properties/interfaces/items/enum")
    );
    let verbs = "/definitions/rule/properties/rights/items/properties/verbs/items/enum";
    assert_eq!(
        rule("rights = [{ verbs = ['zz'], paths = [] }]"),
        words(verbs)
    );
}

#[test]
fn what_was_built_under_another_policy_is_built_again() {
    let scratch = Scratch::new();
    let manifest = attempt("tree write /run/osbuild/tree/made");
    let built = |policy: &str| {
        Program::new("run --json --export tree --checkpoint tree")
            .option("--policy", scratch.write("policy.toml", policy))
            .option("--libdir", hostile::library())
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(scratch.json("manifest.json", &manifest))
            .run()
    };
    let stages = |ended: Ended| {
        ended.expect(0).json()["log"]["tree"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(stages(built(&rule(""))), 1);
    let elsewhere = format!("# The same on another line.\n{}", rule(""));
    assert_eq!(stages(built(&elsewhere)), 0);
    let narrower = rule("rights = [{ verbs = [\"read\"], paths = [\"/**\"] }]");
    built(&narrower).expect(1).says("may not create /made");
}

/// An interface of its own is no way around the list of programs.
#[test]
fn a_program_of_a_typed_interface_has_to_be_granted_too() {
    if !osbuild_wasm_tests::machine::offers(&["qemu-img"]) {
        return;
    }
    let truncate = json!({ "filename": "disk.img", "size": "1M" });
    let references = json!({ "name:raw": { "file": "disk.img" } });
    let image = json!({ "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": references });
    let convert = json!({
        "type": "org.osbuild.qemu",
        "options": { "filename": "disk.qcow2", "format": { "type": "qcow2" } },
        "inputs": { "image": image },
    });
    let document = manifest::of(json!([
        { "name": "raw", "stages": [manifest::stage("org.osbuild.truncate", truncate)] },
        { "name": "tree", "stages": [convert] },
    ]));
    let rule = |more: &str| {
        format!(
            "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'elevated'\nasked-not-granted = 'withhold'\n{more}"
        )
    };
    let scratch = Scratch::new();
    run(&scratch, &document, &rule("programs = []"))
        .expect(1)
        .says("program qemu-img was not granted");
    run(&scratch, &document, &rule("programs = ['qemu-img']")).expect(0);
}
