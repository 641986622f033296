//! Logical volumes are laid out by programs without privileges; only activating them takes the kernel's device mapper.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::{Value, json};

fn disk() -> Value {
    let device = json!({ "device": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } } });
    let volumes =
        json!([{ "name": "root", "size": "20M" }, { "name": "home-x", "extents": "100%FREE" }]);
    let metadata =
        json!({ "vg_name": "rootvg", "creation_host": "builder", "description": "laid out" });
    manifest::of(json!([{ "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "64M" })),
        { "type": "org.osbuild.lvm2.create", "options": { "volumes": volumes }, "devices": device },
        { "type": "org.osbuild.lvm2.metadata", "options": metadata, "devices": device },
    ] }]))
}

#[test]
fn volumes_are_laid_out_without_device_mapper_and_privileges_of_the_machine() {
    if !machine::offers(&["pvcreate", "vgcreate", "lvcreate"]) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    let plan = Program::new("plan --format json")
        .arg(&file)
        .run()
        .expect(0);
    let planned = plan.json()["pipelines"][0]["stages"][1].to_string();
    assert!(planned.contains("lvcreate"), "{planned}");
    assert!(!planned.contains("CAP_SYS_ADMIN"), "{planned}");
    Program::new("run --quiet --export image")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(&file)
        .run()
        .expect(0);
    machine::assert_nothing_left(scratch.root());
    let image = std::fs::read(scratch.path("out/image/disk.img")).unwrap();
    let text = String::from_utf8_lossy(&image[..1 << 20]).into_owned();
    for part in [
        "LABELONE",
        "rootvg {",
        "home-x {",
        "description = \"laid out\"",
    ] {
        assert!(text.contains(part), "{part} is missing");
    }
}
