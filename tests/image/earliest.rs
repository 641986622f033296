//! Manifests of the earliest form, with the options of their time.
use crate::repository::{TOOLS, repository, with_sample};
use osbuild_wasm_tests::{Scratch, machine};
use std::process::Command;
use std::time::Duration;

#[test]
fn earliest_sample_is_installed_by_dnf_and_put_directly_into_the_output_directory() {
    let tools: Vec<_> = TOOLS.into_iter().chain(["dnf"]).collect();
    if !machine::offers(&tools) {
        return;
    }
    repository();
    let scratch = Scratch::new();
    // The stages of that time were files in a directory; plugins are, too.
    let library = scratch.directory("library");
    let script = r#""$0" run --objects "$SCRATCH/objects" --output "$SCRATCH/out" -l "$LIBRARY" "$MANIFEST""#;
    let program = with_sample(&scratch, "earliest-dnf.json", script).env("LIBRARY", library);
    program.limit(Duration::from_secs(200)).run().expect(0);
    let archive = scratch.path("out/tree.tar.gz");
    let listed = Command::new("tar")
        .arg("--list")
        .arg("--file")
        .arg(&archive)
        .output()
        .expect("tar");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for file in ["./usr/bin/bash", "./usr/bin/tar", "./etc/hostname"] {
        assert!(
            listed.lines().any(|line| line == file),
            "{file} is missing in {}",
            archive.display()
        );
    }
    assert!(
        scratch.path("objects/objects").is_dir(),
        "--objects is the store"
    );
}

#[test]
fn a_build_environment_from_a_file_is_the_build_pipeline() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let environment = scratch.write(
        "build.json",
        r#"{"pipeline": {"name": "build", "stages": [{"name": "org.osbuild.hostname", "options": {"hostname": "builder"}}]}, "runner": "org.osbuild.linux"}"#,
    );
    let manifest = scratch.write(
        "manifest.json",
        r#"{"name": "old", "stages": [{"name": "org.osbuild.hostname", "options": {"hostname": "old"}}], "assembler": {"name": "org.osbuild.tar", "options": {"filename": "old.tar"}}}"#,
    );
    osbuild_wasm_tests::Program::new("run --json")
        .option("--build-env", &environment)
        .option("--objects", scratch.path("objects"))
        .option("-o", scratch.path("out"))
        .arg(&manifest)
        .run()
        .expect(0)
        .says("org.osbuild.hostname");
    let inspected = osbuild_wasm_tests::Program::new("run --inspect")
        .option("--build-env", &environment)
        .arg(&manifest)
        .run()
        .expect(0)
        .json();
    assert!(inspected.to_string().contains("builder"), "{inspected:#}");
    assert!(scratch.path("out/old.tar").is_file());
}
