//! `run --learn`: the policy of a run allows the same run and nothing that it did not need.
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest, paths};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A sample that runs without a repository, with the pipeline to export and the programs that it needs.
struct Sample {
    name: &'static str,
    document: Value,
    export: &'static str,
    programs: &'static [&'static str],
}

/// Of the samples those that need no packages, and what their kinds need beside: disks, containers and images by programs.
fn samples() -> Vec<Sample> {
    let tar = std::fs::read_to_string(paths::sample("tar.json")).expect("a sample");
    let sample = |name, document, export, programs| Sample {
        name,
        document,
        export,
        programs,
    };
    let tree = |stages: Value| manifest::tree(stages);
    let made = json!({ "paths": [{ "path": "/srv/www", "parents": true, "mode": 0o2775 }] });
    let input = |module: &str, name: &str| json!({ name: { "type": module, "origin": "org.osbuild.pipeline", "references": ["name:tree"] } });
    let packed = |module: &str, options: Value, input: Value| json!({ "name": "packed", "stages": [{ "type": module, "options": options, "inputs": input }] });
    let with = |mut document: Value, pipeline: Value| {
        let pipelines = document["pipelines"].as_array_mut().expect("pipelines");
        pipelines.push(pipeline);
        document
    };
    let small = || {
        tree(json!([
            manifest::hostname("x"),
            manifest::stage("org.osbuild.mkdir", made.clone())
        ]))
    };
    vec![
        sample(
            "tar.json",
            serde_json::from_str(&tar).expect("JSON"),
            "archive",
            &[],
        ),
        sample("two modules", manifest::two_modules("x"), "tree", &[]),
        sample("disk", manifest::disk(), "image", &["sfdisk", "mkfs.ext4"]),
        sample(
            "squashfs",
            with(
                small(),
                packed(
                    "org.osbuild.squashfs",
                    json!({ "filename": "x.img", "compression": { "method": "xz" } }),
                    input("org.osbuild.tree", "tree"),
                ),
            ),
            "packed",
            &["mksquashfs"],
        ),
        sample(
            "oci archive",
            with(
                small(),
                packed(
                    "org.osbuild.oci-archive",
                    json!({ "architecture": "amd64", "filename": "x.oci" }),
                    input("org.osbuild.tree", "base"),
                ),
            ),
            "packed",
            &[],
        ),
        sample(
            "links, files and modes",
            tree(json!([
                manifest::hostname("x"),
                manifest::stage("org.osbuild.mkdir", made.clone()),
                manifest::stage(
                    "org.osbuild.chmod",
                    json!({ "items": { "/srv": { "mode": "u+s", "recursive": true } } })
                ),
                manifest::stage(
                    "org.osbuild.chown",
                    json!({ "items": { "/srv/www": { "user": 7, "group": 8 } } })
                ),
                manifest::stage("org.osbuild.locale", json!({ "language": "C.UTF-8" })),
            ])),
            "tree",
            &[],
        ),
    ]
}

fn run(scratch: &Scratch, document: &Value, export: &str, name: &str) -> Program {
    Program::new("run --export")
        .arg(export)
        .option("--store", scratch.path(&format!("store-{name}")))
        .option("--output-directory", scratch.path(&format!("out-{name}")))
        .arg(scratch.json(name, document))
}

/// The policy without the rights of one rule, or with one program, device or mount less, once for each.
fn narrowed(policy: &str) -> Vec<(String, String)> {
    let policy: toml::Table = policy.parse().expect("TOML");
    let rules = policy["rule"].as_array().expect("rules");
    let mut all = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let length = |key: &str| {
            rule.get(key)
                .and_then(toml::Value::as_array)
                .map_or(0, Vec::len)
        };
        let mut less = |key: &str, keep: &dyn Fn(usize) -> bool| {
            let mut less = policy.clone();
            let list = less["rule"][index][key].as_array_mut().expect("a list");
            let mut at = 0..;
            list.retain(|_| at.next().is_some_and(keep));
            all.push((format!("{}: {key}", rule["modules"]), less.to_string()));
        };
        if length("rights") > 0 {
            less("rights", &|_| false);
        }
        for key in ["programs", "devices", "mounts"] {
            (0..length(key)).for_each(|gone| less(key, &|at| at != gone));
        }
    }
    all
}

#[test]
fn the_policy_of_each_sample_allows_the_same_run_and_nothing_more() {
    if !machine::offers(&[]) {
        return;
    }
    for sample in samples() {
        if !machine::offers(sample.programs) {
            continue;
        }
        let Sample {
            name,
            document,
            export,
            ..
        } = sample;
        let scratch = Scratch::new();
        let policy = scratch.path("learned.toml");
        run(&scratch, &document, export, "first")
            .option("--learn", &policy)
            .run()
            .expect(0);
        let learned = scratch.read("learned.toml");
        run(&scratch, &document, export, "second")
            .option("--policy", &policy)
            .run()
            .expect(0);
        // What it gives was needed.
        let mut needed = BTreeMap::new();
        for (what, less) in narrowed(&learned) {
            let less = scratch.write("less.toml", less);
            let ended = run(&scratch, &document, export, "third")
                .option("--policy", less)
                .run();
            needed.insert(what, ended.status.code());
            _ = std::fs::remove_dir_all(scratch.path("store-third"));
            _ = std::fs::remove_dir_all(scratch.path("out-third"));
        }
        let unneeded: Vec<_> = needed
            .iter()
            .filter(|(_, code)| **code == Some(0))
            .collect();
        assert!(unneeded.is_empty(), "{name}: {unneeded:#?}\n{learned}");
        // Another stage, and another path for one that is there.
        for (index, pipeline) in document["pipelines"]
            .as_array()
            .expect("pipelines")
            .iter()
            .enumerate()
        {
            let Some(_) = pipeline["stages"].as_array() else {
                continue;
            };
            let mut wider = document.clone();
            let stages = wider["pipelines"][index]["stages"]
                .as_array_mut()
                .expect("stages");
            stages.push(manifest::stage(
                "org.osbuild.keymap",
                json!({ "keymap": "us" }),
            ));
            run(&scratch, &wider, export, "wider")
                .option("--policy", &policy)
                .run()
                .expect(1)
                .says("org.osbuild.keymap");
        }
    }
}

#[test]
fn a_learned_policy_holds_programs_to_their_places() {
    if !machine::offers(&[]) {
        return;
    }
    let place = "/srv/[a]*$";
    let touch = json!({ "program": "touch", "arguments": ["/run/osbuild/tree/srv/[a]*$/new"] });
    let options = json!({ "where": place, "runs": [touch] });
    let document = manifest::tree(json!([
        manifest::stage(
            "org.osbuild.mkdir",
            json!({ "paths": [{ "path": place, "parents": true }] })
        ),
        manifest::stage("test.narrow", options),
    ]));
    let scratch = Scratch::new();
    let policy = scratch.path("learned.toml");
    let run = |name: &str, places: Value| {
        let members = json!({ "programs": ["touch"], "rights": [], "programs-touch": places });
        run(&scratch, &document, "tree", name).option(
            "--libdir",
            hostile::with_document(&scratch, "programs", &members),
        )
    };
    let narrow = json!({ "read": ["/"], "write": ["${/where}"] });
    run("first", narrow.clone())
        .option("--learn", &policy)
        .run()
        .expect(0);
    let with = |name: &str, places: Value| run(name, places).option("--policy", &policy).run();
    with("second", narrow).expect(0);
    for (name, wider, beyond) in [
        (
            "third",
            json!({ "read": ["/"], "write": ["/srv"] }),
            "programs that write /srv",
        ),
        (
            "fourth",
            json!({ "read": ["/", "input://"], "write": ["${/where}"] }),
            "programs that read input://",
        ),
    ] {
        with(name, wider).expect(1).says(beyond);
    }
}
