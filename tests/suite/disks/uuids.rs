//! A file system whose UUID another one of the machine has: manifests name UUIDs, so two builds of one manifest meet.
use super::same::run_on;
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Scratch, machine, manifest};
use serde_json::{Value, json};

const UUID: &str = "9a4bd520-3fb9-423f-8ab8-7a0a8e3d3562";

fn disk(kind: &str) -> Value {
    let device = json!({ "disk": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } } });
    let stages = json!([
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "400M" })),
        { "type": format!("org.osbuild.mkfs.{kind}"), "options": { "uuid": UUID }, "devices": { "device": device["disk"] } },
        {
            "type": "org.osbuild.mkdir",
            "options": { "paths": [{ "path": "mount://root/there" }] },
            "devices": device,
            "mounts": [{ "name": "root", "type": format!("org.osbuild.{kind}"), "source": "disk", "target": "/" }],
        },
    ]);
    manifest::of(json!([{ "name": "image", "stages": stages }]))
}

#[test]
fn a_file_system_is_mounted_though_another_has_its_uuid() {
    if !machine::offers(&["mkfs.xfs", "mkfs.btrfs", "mount", "unshare"]) {
        return;
    }
    for (kind, option) in [("xfs", "-muuid="), ("btrfs", "-U")] {
        let scratch = Scratch::new();
        let file = scratch.json("manifest.json", &disk(kind));
        let other = scratch.path("other.img");
        let at = scratch.directory("other");
        let script = format!(
            "truncate -s 400M {0} && mkfs.{kind} -q {option}{UUID} {0} && mount -o loop {0} {1} && exec \"$@\"",
            other.display(),
            at.display()
        );
        through_shell_in_namespace(&script, "run --quiet --export image --devices=loop")
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(&file)
            .run()
            .expect(0);
        let look = "mkdir -p \"$2\" && mount -o loop,ro \"$1\" \"$2\" && ls \"$2\"";
        let seen = run_on(&scratch, &scratch.path("out/image/disk.img"), look);
        assert!(seen.contains("there"), "{kind}: {seen}");
    }
}
