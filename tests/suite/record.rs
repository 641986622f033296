//! `run --record`: what every stage really did.
use osbuild_wasm_tests::manifest::{self, HELLO, hostname, stage};
use osbuild_wasm_tests::text::steady;
use osbuild_wasm_tests::{Ended, Program, Scratch, hostile, machine, paths};
use serde_json::{Value, json};
use std::path::Path;

/// Runs a manifest with `--record` and returns how that ended and the record, which is a document of its schema.
#[track_caller]
fn record(scratch: &Scratch, library: &Path, document: &Value, options: &[&str]) -> (Ended, Value) {
    let file = scratch.path("record.json");
    let ended = Program::new("run --export tree")
        .args(options)
        .option("--libdir", library)
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", &file)
        .arg(scratch.json("manifest", document))
        .run();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", ended.all()));
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let schema = std::fs::read_to_string(paths::workspace().join("schemas/record.json"));
    let schema = serde_json::from_str(&schema.expect("the schema")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<_> = schema.iter_errors(&record).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    (ended, record)
}

/// A stage of module `test.NAME` with these steps.
fn steps(module: &str, steps: &[&str]) -> Value {
    let steps: Vec<_> = steps.iter().map(|text| hostile::step(text)).collect();
    stage(module, json!({ "steps": steps }))
}

/// The document without what differs from run to run and from build to build.
fn constant(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                let value = match key.as_str() {
                    "duration" | "started" | "version" => format!("[{key}]").into(),
                    "component" => json!({ "origin": value["origin"] }),
                    _ => constant(value),
                };
                (key.clone(), value)
            };
            map.iter().map(pair).collect()
        }
        Value::Array(items) => items.iter().map(constant).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_record_says_what_each_stage_did() {
    let scratch = Scratch::new();
    let rights = json!([
        { "verbs": ["create", "replace", "chmod"], "paths": ["/etc/*", "/usr/**"] },
        { "verbs": ["read"], "paths": ["/**"] },
    ]);
    let library = hostile::with_rights(&scratch, "files", &rights);
    let tree = "/run/osbuild/tree";
    let narrow = steps(
        "test.narrow",
        &[
            &format!("tree read {tree}/etc/hostname"),
            &format!("tree read {tree}/etc/hostname"),
            &format!("std read {tree}/etc/hostname"),
            &format!("tree write {tree}/etc/new"),
            &format!("std append {tree}/etc/appended"),
        ],
    );
    let mut document = manifest::tree(json!([hostname("noted"), narrow]));
    document["sources"] = manifest::hello_source();
    let (ended, record) = record(&scratch, &library, &document, &[]);
    ended.expect(0);
    let text = format!("{:#}", constant(&record));
    insta::assert_snapshot!(steady(&text, Some(&scratch)));
    assert_eq!(record["sources"][0]["items"][0]["digest"], HELLO);
}

fn stage_of(record: &Value, index: usize) -> &Value {
    &record["pipelines"][0]["stages"][index]
}

#[test]
fn written_files_are_recorded_with_the_digest_of_their_last_content() {
    let scratch = Scratch::new();
    let tree = "/run/osbuild/tree";
    let first = steps(
        "test.files",
        &[
            &format!("tree mkdir {tree}/from"),
            &format!("tree write {tree}/from/a"),
        ],
    );
    let second = steps(
        "test.files",
        &[
            &format!("tree copy-links {tree}/from {tree}/to"),
            &format!("tree write {tree}/gone"),
            &format!("tree remove {tree}/gone"),
            &format!("tree write {tree}/from/b"),
            &format!("tree rename {tree}/from/b {tree}/from/c"),
        ],
    );
    let document = manifest::tree(json!([first, second]));
    let (ended, record) = record(&scratch, hostile::library(), &document, &[]);
    ended.expect(0);
    let written = stage_of(&record, 1)["written"].as_array().expect("a list");
    let paths: Vec<_> = written.iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["/from/c", "/to/a"]);
    let program = std::process::Command::new("sha256sum")
        .arg(scratch.path("out/tree/to/a"))
        .output()
        .expect("sha256sum");
    let digest = String::from_utf8_lossy(&program.stdout);
    for file in written {
        assert_eq!(file["size"], 7);
        assert_eq!(
            Some(file["sha256"].as_str().expect("text")),
            digest.get(..64)
        );
    }
}

/// Hashing the zeros of a disk image after every stage would take longer than the stages.
#[test]
fn a_disk_image_of_holes_is_recorded_without_digest() {
    let truncate = |size: &str| json!({ "filename": "disk.img", "size": size });
    let scratch = Scratch::new();
    let document = manifest::tree(json!([
        stage("org.osbuild.truncate", truncate("300M")),
        stage("org.osbuild.truncate", truncate("1M")),
    ]));
    let (ended, record) = record(&scratch, hostile::library(), &document, &[]);
    ended.expect(0);
    let large = &stage_of(&record, 0)["written"][0];
    assert_eq!(
        (&large["size"], &large["sha256"]),
        (&json!(300 << 20), &Value::Null)
    );
    let small = &stage_of(&record, 1)["written"][0];
    assert_eq!(small["size"], 1 << 20);
    assert!(small["sha256"].is_string());
}

#[test]
fn a_failing_run_leaves_its_record_too() {
    let scratch = Scratch::new();
    let document = manifest::tree(json!([hostname("noted"), manifest::error(3)]));
    let (ended, record) = record(&scratch, hostile::library(), &document, &[]);
    ended.expect(1);
    assert_eq!(record["success"], false);
    assert!(
        record["error"]
            .as_str()
            .is_some_and(|text| text.contains("org.osbuild.error"))
    );
    let stages = &record["pipelines"][0]["stages"];
    assert_eq!(stages[0]["success"], true);
    assert_eq!(stages[0]["written"][0]["path"], "/etc/hostname");
    assert_eq!(stages[1]["success"], false);
}

#[test]
fn what_was_refused_and_what_was_not_used_is_recorded() {
    let scratch = Scratch::new();
    let rights = json!([{ "verbs": ["create", "replace"], "paths": ["/etc/x/*", "/never/**"] }]);
    let library = hostile::with_rights(&scratch, "files", &rights);
    let tree = "/run/osbuild/tree";
    let narrow = steps(
        "test.narrow",
        &[
            &format!("tree mkdir {tree}/etc"),
            &format!("tree mkdir {tree}/etc/x"),
            &format!("tree write {tree}/etc/x/a"),
            &format!("tree write {tree}/etc/passwd"),
            &format!("std write {tree}/etc/passwd"),
            &format!("tree read {tree}/etc/x/a"),
        ],
    );
    let (ended, record) = record(&scratch, &library, &manifest::tree(json!([narrow])), &[]);
    ended.expect(1);
    let stage = stage_of(&record, 0);
    insta::assert_snapshot!(format!("{:#}\n{:#}", stage["denials"], stage["unused"]));
}

#[test]
fn programs_are_recorded_with_arguments_and_status() {
    if !machine::offers(&[]) {
        return;
    }
    let runs = json!([
        { "program": "true", "arguments": ["--an-argument"] },
        { "program": "cat", "arguments": ["/is/not/there"] },
        { "program": "sh" },
    ]);
    let scratch = Scratch::new();
    let document = manifest::tree(json!([stage("test.programs", json!({ "runs": runs }))]));
    let (ended, record) = record(&scratch, hostile::library(), &document, &[]);
    ended.expect(1);
    let stage = constant(stage_of(&record, 0));
    insta::assert_snapshot!(format!(
        "{:#}\n{:#}\n{:#}",
        stage["programs"], stage["denials"], stage["unused"]["programs"]
    ));
}

#[test]
fn what_a_program_wrote_is_recorded() {
    if !machine::offers(&[]) {
        return;
    }
    let copy = |to: &str| {
        json!({
            "program": "cat",
            "arguments": ["/run/osbuild/tree/etc/hostname"],
            "stdout": format!("/run/osbuild/tree/{to}"),
        })
    };
    // A later program must not hide what an earlier one did.
    let pause = json!({ "program": "sleep", "arguments": ["0.1"] });
    let runs = json!([copy("first"), pause, copy("second")]);
    let scratch = Scratch::new();
    let stages = json!([
        hostname("noted"),
        stage("test.programs", json!({ "runs": runs })),
    ]);
    let (ended, record) = record(&scratch, hostile::library(), &manifest::tree(stages), &[]);
    ended.expect(0);
    let digest = "51715f41686be7e49e1fdae7fc419761a171c933e3c74e59a566d5c5a1fe3777";
    assert_eq!(
        stage_of(&record, 1)["written"],
        json!([
            { "path": "/first", "size": 6, "sha256": digest },
            { "path": "/second", "size": 6, "sha256": digest },
        ])
    );
}

#[test]
fn a_limit_that_was_reached_is_recorded() {
    let scratch = Scratch::new();
    let document = manifest::tree(json!([stage("test.resources", json!({ "take": "time" }))]));
    let (ended, record) = record(
        &scratch,
        hostile::library(),
        &document,
        &["--stage-timeout", "1"],
    );
    ended.expect(1);
    let limit = stage_of(&record, 0)["limits"][0].as_str().expect("a limit");
    assert!(limit.contains("stopped after 1 s"), "{limit}");
}

#[test]
fn a_record_that_cannot_be_kept_is_said_before_anything_is_built() {
    let scratch = Scratch::new();
    Program::new("run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", scratch.path("no/such/directory/record"))
        .arg(scratch.json("manifest", &manifest::tree(json!([hostname("x")]))))
        .run()
        .expect(2)
        .says("--record")
        .says("No such file or directory");
    assert!(!scratch.path("out").exists());
}

#[test]
fn a_program_of_a_typed_interface_counts_as_used() {
    if !machine::offers(&["qemu-img"]) {
        return;
    }
    let scratch = Scratch::new();
    let input = json!({ "image": { "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { "name:raw": { "file": "disk.img" } } } });
    let options = json!({ "filename": "disk.qcow2", "format": { "type": "qcow2" } });
    let document = manifest::of(json!([
        { "name": "raw", "stages": [stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "1M" }))] },
        { "name": "tree", "stages": [{ "type": "org.osbuild.qemu", "options": options, "inputs": input }, manifest::error(3)] },
    ]));
    let (ended, record) = record(&scratch, hostile::library(), &document, &[]);
    ended.expect(1);
    let qemu = &record["pipelines"][1]["stages"][0];
    let call = &qemu["calls"][0];
    assert_eq!(
        (&call["interface"], &call["call"], &call["programs"]),
        (&json!("qemu-img"), &json!("convert"), &json!(["qemu-img"]))
    );
    // What the helper was told, whole.
    assert_eq!(
        call["arguments"],
        json!({
            "source": "/run/osbuild/inputs/image/disk.img", "to": "/run/osbuild/tree/disk.qcow2",
            "format": "qcow2", "compress": true, "options": [], "coroutines": null,
        })
    );
    assert_eq!(qemu["unused"]["programs"], json!([]));
    let report = Program::new("report")
        .arg(scratch.path("record.json"))
        .run();
    let report = report
        .expect(0)
        .never_says("qemu-img (granted and not used)");
    // Of a run that failed as well.
    assert!(
        !report.all().contains("Programs run  0"),
        "{}",
        report.all()
    );
}

/// `test.narrow` is the component that runs programs, with these programs in its document.
pub(crate) fn with_programs(
    scratch: &Scratch,
    programs: &Value,
    runs: &Value,
) -> (std::path::PathBuf, Value) {
    let members = json!({ "programs": programs, "environment": ["GIVEN"] });
    let library = hostile::with_document(scratch, "programs", &members);
    (library, stage("test.narrow", json!({ "runs": runs })))
}

#[test]
fn what_programs_do_beside_contents_is_recorded() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let tree = "/run/osbuild/tree";
    let run = |program: &str, arguments: &[&str]| {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|word| word.replace('@', tree))
            .collect();
        json!({ "program": program, "arguments": arguments, "environment": [["GIVEN", "yes"]] })
    };
    let runs = json!([
        run("chmod", &["u+s", "@/etc/hostname"]),
        run("mkdir", &["-m", "0750", "@/made"]),
        run("ln", &["-s", "../elsewhere", "@/made/link"]),
        run("mkfifo", &["@/made/pipe"]),
        run("chown", &["4:5", "@/made"]),
        run("rm", &["@/gone"]),
        run("setfattr", &["-n", "user.word", "-v", "x", "@/kept"]),
        run(
            "setfattr",
            &["-n", "user.word", "-v", "x", "@/etc/hostname"]
        ),
    ]);
    let programs = json!(["chmod", "mkdir", "ln", "mkfifo", "chown", "rm", "setfattr"]);
    let (library, changing) = with_programs(&scratch, &programs, &runs);
    let before = stage(
        "org.osbuild.mkdir",
        json!({ "paths": [{ "path": "/kept" }] }),
    );
    let gone = stage(
        "org.osbuild.truncate",
        json!({ "filename": "gone", "size": "1" }),
    );
    let document = manifest::tree(json!([before, gone, hostname("noted"), changing]));
    let (ended, record) = record(&scratch, &library, &document, &[]);
    ended.expect(0);
    let changing = stage_of(&record, 3);
    let object =
        |kind: &str, mode: &str, owner: &str| json!({ "kind": kind, "mode": mode, "owner": owner });
    let mut link = object("link", "777", "0:0");
    link["target"] = "../elsewhere".into();
    let mut noted = object("file", "4644", "0:0");
    noted["xattrs"] = json!({ "user.word": "78" });
    let mut kept = object("directory", "755", "0:0");
    kept["xattrs"] = json!({ "user.word": "78" });
    assert_eq!(
        changing["changes"],
        json!([
            { "path": "/etc/hostname", "before": object("file", "644", "0:0"), "after": noted },
            { "path": "/gone", "before": object("file", "644", "0:0") },
            { "path": "/kept", "before": object("directory", "755", "0:0"), "after": kept },
            { "path": "/made", "after": object("directory", "750", "4:5") },
            { "path": "/made/link", "after": link },
            { "path": "/made/pipe", "after": object("fifo", "644", "0:0") },
        ])
    );
    assert_eq!(
        changing["programs"][0]["environment"],
        json!({ "GIVEN": "yes" })
    );
    assert!(stage_of(&record, 2).get("changes").is_none());
    let report = Program::new("report")
        .arg(scratch.path("record.json"))
        .run();
    report
        .expect(0)
        .says("file 644 0:0 -> file 4644 0:0")
        .says("removed: file 644");
}

#[test]
fn places_on_mounts_are_called_as_in_manifests_and_written_devices_are_recorded() {
    if !machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let mut document = manifest::disk();
    document["pipelines"][1]["name"] = "image".into();
    let file = scratch.path("record.json");
    Program::new("run --export image")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .option("--record", &file)
        .arg(scratch.json("manifest", &document))
        .run()
        .expect(0);
    let record: Value = serde_json::from_str(&scratch.read("record.json")).expect("JSON");
    let stages = &record["pipelines"][1]["stages"];
    let mkfs = &stages[2]["devices"][0];
    assert_eq!(mkfs["path"], "device://device", "{:#}", stages[2]);
    assert!(mkfs["written"].as_u64().is_some_and(|bytes| bytes > 0));
    let copied = stages[3]["written"].to_string();
    assert!(copied.contains("mount://root/etc/hostname"), "{copied}");
}
