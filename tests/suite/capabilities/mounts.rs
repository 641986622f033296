//! How places on mounts are called.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::Value;

/// A disk whose mount is called like a directory that is on it.
fn disk_on_etc() -> Value {
    let mut document = manifest::disk();
    let copy = &mut document["pipelines"][1]["stages"][3];
    copy["mounts"][0]["name"] = "etc".into();
    copy["options"]["paths"][0]["to"] = "mount://etc/".into();
    document
}

#[test]
fn places_on_mounts_go_by_the_name_of_the_mount_everywhere() {
    if !machine::offers(&["sfdisk", "mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let document = scratch.json("m", &disk_on_etc());
    let run = |options: &[&str], policy: Option<&str>| {
        let mut program = Program::new("run --export image").args(options);
        if let Some(policy) = policy {
            program = program.option("--policy", scratch.path(policy));
        }
        let directory = format!("out-{}", policy.unwrap_or_default());
        program
            .option("--store", scratch.path(&format!("store-{directory}")))
            .option("--output-directory", scratch.path(&directory))
            .arg(&document)
            .run()
    };
    let (record, learned) = (scratch.path("record"), scratch.path("learned"));
    let options = [
        "--record",
        record.to_str().expect("a path"),
        "--learn",
        learned.to_str().expect("a path"),
    ];
    run(&options, None).expect(0);
    let record = scratch.read("record");
    assert!(record.contains("\"mount://etc/etc/hostname\""), "{record}");
    let policy = scratch.read("learned");
    assert!(
        policy.contains("mount://etc/**") && !policy.contains("\"mount://srv"),
        "{policy}"
    );
    run(&[], Some("learned")).expect(0);
    // The name says which mount; what is called like it elsewhere is something else.
    let rest = "version = 1\n[[rule]]\nmodules = ['*']\ntier = 'privileged'\nprograms = ['*']\n";
    let verbs = "['read', 'create', 'replace', 'remove', 'chmod', 'chown', 'xattr', 'node']";
    let rule = |place: &str| {
        format!(
            "{rest}[[rule]]\nmodules = ['org.osbuild.copy']\ntier = 'privileged'\nasked-not-granted = 'withhold'\nrights = [{{ verbs = {verbs}, paths = ['/**', 'input://**', '{place}'] }}]\n"
        )
    };
    for (name, place, code, said) in [
        ("by-name", "mount://etc/**", 0, ""),
        ("by-place", "mount:///etc/**", 1, "mount://etc/"),
        ("below", "mount://etc/etc/**", 1, "mount://etc/"),
    ] {
        scratch.write(name, rule(place));
        run(&[], Some(name)).expect(code).says(said);
    }
}
