//! What others wrote does nothing to a terminal: manifests, module documents, policies, records and logs with characters that move a cursor
//! or turn the direction of writing.
use osbuild_wasm_capability::embed;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, manifest};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Controls of both sets, marks and isolates of direction, separators, what cannot be seen.
const NASTY: &str = "x\u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{8}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{200b}\u{feff}\u{e0041}y";

#[track_caller]
fn harmless(ended: &Ended) {
    let is_nasty = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || (NASTY.contains(c) && !c.is_ascii())
    };
    for text in [&ended.stdout, &ended.stderr] {
        if let Some(at) = text.find(is_nasty) {
            let around = text.get(at.saturating_sub(60)..).unwrap_or(text);
            panic!("{:?}", around.chars().take(120).collect::<String>());
        }
    }
}

/// A library with a plugin whose document says something nasty everywhere.
fn library(scratch: &Scratch) -> PathBuf {
    let mut document = hostile::document("files");
    document["summary"] = NASTY.into();
    document["description"] = json!([NASTY]);
    document["rights"] = json!([{ "verbs": ["read", "create", "replace"], "paths": [format!("/{NASTY}"), "${/path}"] }]);
    document["schema_2"]["options"] = json!({ "type": "object", "description": NASTY });
    let packed = embed(
        &hostile::component("files"),
        document.to_string().as_bytes(),
    );
    scratch.write("library/plugin.wasm", packed);
    scratch.path("library")
}

fn document() -> Value {
    let steps = json!([hostile::step(&format!(
        "tree write /run/osbuild/tree/{NASTY}"
    ))]);
    json!({
        "version": "2",
        "pipelines": [{ "name": NASTY, "stages": [
            { "type": "test.files", "options": { "path": format!("/{NASTY}"), "steps": steps } },
        ] }],
    })
}

#[test]
fn nothing_of_a_manifest_or_a_module_document_does_something_to_a_terminal() {
    let scratch = Scratch::new();
    let library = library(&scratch);
    let good = scratch.json("good.json", &document());
    let unknown = scratch.json(
        "unknown.json",
        &manifest::tree(json!([manifest::stage(NASTY, json!({ NASTY: NASTY }))])),
    );
    let wrong = scratch.json(
        "wrong.json",
        &manifest::tree(json!([manifest::stage(
            "org.osbuild.hostname",
            json!({ "hostname": NASTY, NASTY: 1 })
        )])),
    );
    let syntax = scratch.write("syntax.json", format!("{{\"{NASTY}\": nope}}"));
    let policy = scratch.write(
        "policy.toml",
        format!(
            "version = 1\n[[rule]]\nname = \"{}\"\nmodules = [\"a\"]\n",
            NASTY.replace(|c: char| c.is_ascii_control(), "")
        ),
    );
    let broken = scratch.write(
        "broken.toml",
        format!(
            "version = 1\n[[rule]]\n\"{}\" = 1\n",
            NASTY.replace(|c: char| c.is_ascii_control(), "")
        ),
    );
    for manifest in [&good, &unknown, &wrong, &syntax] {
        for command in [
            "validate",
            "validate --json",
            "inspect",
            "plan",
            "plan --format json",
            "plan --format html",
            "lock --output -",
            "audit --format json",
            "audit",
        ] {
            let program = Program::new(command).arg(manifest);
            harmless(&program.env("OSBUILD_WASM_PATH", &library).run());
        }
        for option in [
            "--monitor=LogMonitor",
            "--monitor=progress",
            "--monitor=JSONSeqMonitor",
            "--json",
            "--quiet",
        ] {
            for command in ["run", "osbuild"] {
                let program = Program::new(command)
                    .arg(manifest)
                    .arg(option)
                    .option("--store", scratch.path("store"))
                    .env("OSBUILD_WASM_PATH", &library);
                let ended = program.run();
                // The separator of RFC 7464 is the format's own.
                let ended = Ended {
                    stdout: ended.stdout.replace('\u{1e}', ""),
                    ..ended
                };
                harmless(&ended);
            }
        }
        for policy in [&policy, &broken] {
            let program = Program::new("plan")
                .arg(manifest)
                .option("--policy", policy);
            harmless(&program.env("OSBUILD_WASM_PATH", &library).run());
        }
    }
    for command in [
        "stage list",
        "stage show test.files",
        "audit test.files",
        "audit --format json test.files",
        "audit --format html test.files",
    ] {
        harmless(&Program::new(command).option("--libdir", &library).run());
    }
    harmless(&Program::new("stage show").arg(NASTY).run());
    harmless(
        &Program::new("report")
            .arg(scratch.write("record.json", NASTY))
            .run(),
    );
}

#[test]
fn a_log_does_nothing_to_a_terminal() {
    let scratch = Scratch::new();
    let program = hostile::files(&scratch, &[&format!("tree read /run/osbuild/tree/{NASTY}")]);
    harmless(&program);
}
