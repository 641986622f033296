//! `run --record`: what is done on mounts, and what helpers do for them.
use crate::record::with_programs;
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::{Value, json};

/// The record of a run.
fn record_of(scratch: &Scratch, run: Program, document: &Value) -> Value {
    run.option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", scratch.path("record.json"))
        .arg(scratch.json("manifest", document))
        .run()
        .expect(0);
    serde_json::from_str(&scratch.read("record.json")).expect("JSON")
}

#[test]
fn what_a_component_does_on_a_mount_of_its_own_is_recorded() {
    if !machine::offers(&["mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let options = json!({ "filename": "x.img", "root_fs_uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562", "size": 64 << 20 });
    let hostname = json!({ "name": "org.osbuild.hostname", "options": { "hostname": "small" } });
    let assembler = json!({ "name": "org.osbuild.rawfs", "options": options });
    let document = json!({ "pipeline": { "stages": [hostname], "assembler": assembler } });
    let record = record_of(&scratch, Program::new("run --export assembler"), &document);
    let stage = &record["pipelines"][1]["stages"][0];
    let written = stage["written"].to_string();
    assert!(written.contains("mount://root/etc/hostname"), "{stage:#}");
    let changes = stage["changes"].to_string();
    assert!(changes.contains("mount://root/etc"), "{changes}");
}

#[test]
fn what_programs_do_on_mounts_is_recorded() {
    if !machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let mounts = "/run/osbuild/mounts";
    let run = |program: &str, arguments: &[&str]| {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|word| word.replace('@', mounts))
            .collect();
        json!({ "program": program, "arguments": arguments })
    };
    let runs = json!([
        run("chmod", &["u+s", "@/etc/hostname"]),
        run("ln", &["-s", "x", "@/srv/link"]),
    ]);
    let (library, mut changing) = with_programs(&scratch, &json!(["chmod", "ln"]), &runs);
    let mut document = manifest::disk();
    document["pipelines"][1]["name"] = "image".into();
    let stages = document["pipelines"][1]["stages"]
        .as_array_mut()
        .expect("stages");
    for part in ["devices", "mounts"] {
        changing[part] = stages[3][part].clone();
    }
    stages.push(changing);
    let run = Program::new("run --export image").option("--libdir", library);
    let record = record_of(&scratch, run, &document);
    let changes = &record["pipelines"][1]["stages"][4]["changes"];
    let paths: Vec<_> = changes
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| &change["path"])
        .collect();
    assert_eq!(
        paths,
        ["mount://root/etc/hostname", "mount://root/srv/link"],
        "{changes:#}"
    );
    assert_eq!(changes[0]["after"]["mode"], "4644");
}

#[test]
fn programs_that_helpers_run_of_their_own_accord_are_planned_and_recorded() {
    if !machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let mut document = manifest::disk();
    document["pipelines"][1]["name"] = "image".into();
    let document = scratch.json("manifest", &document);
    let plan = Program::new("plan --format json")
        .arg(&document)
        .run()
        .expect(0)
        .json();
    let image = &plan["pipelines"][1];
    assert!(
        image["runner_programs"].to_string().contains("ldconfig"),
        "{image:#}"
    );
    let mount = &image["stages"][3]["mounts"][0]["programs"];
    assert!(mount.to_string().contains("mkfs.ext4"), "{mount}");
    Program::new("plan")
        .arg(&document)
        .run()
        .expect(0)
        .says("ldconfig");
    Program::new("run --export image --devices=none")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", scratch.path("record.json"))
        .arg(&document)
        .run()
        .expect(0);
    let record: Value = serde_json::from_str(&scratch.read("record.json")).expect("JSON");
    let stages = record["pipelines"][1]["stages"].as_array().expect("stages");
    let all: Vec<_> = stages
        .iter()
        .flat_map(|stage| {
            stage["helper_programs"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .collect();
    let ran = |by: &str, program: &str| {
        all.iter()
            .any(|ran| ran["by"] == by && ran["program"] == program && ran["status"] == 0)
    };
    assert!(
        ran("runner", "ldconfig") && ran("mount", "mkfs.ext4"),
        "{all:#?}"
    );
    let report = Program::new("report")
        .arg(scratch.path("record.json"))
        .run();
    report.expect(0).says("(run by runner)");
}
