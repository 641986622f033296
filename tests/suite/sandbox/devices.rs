//! Devices and mounts: the helpers must not do for a component what it may not do itself.
use osbuild_wasm_tests::{Scratch, hostile, machine};
use serde_json::json;

#[test]
fn a_file_outside_of_the_tree_is_not_attached() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    let image = scratch.write("outside/image", vec![0; 1 << 20]);
    scratch.directory("tree");
    scratch.link(&image, "tree/absolute");
    scratch.link("../outside/image", "tree/relative");
    scratch.link("/etc/passwd", "tree/passwd");
    let paths = ["absolute", "relative", "passwd", "../outside/image"]
        .map(|name| format!("/run/osbuild/tree/{name}"));
    let mut attach: Vec<_> = paths.iter().map(String::as_str).collect();
    let image = image.to_string_lossy();
    attach.extend([&*image, "/etc/passwd", "/dev/loop0", "/run/osbuild/tree"]);
    let ended = hostile::stage(&scratch, "devices", json!({ "attach": attach }))
        .run()
        .expect(1);
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        attach.len(),
        "{}",
        ended.all()
    );
    machine::assert_nothing_left(scratch.root());
}

#[test]
fn an_input_is_not_attached_for_writing() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("input/image", vec![0; 1 << 20]);
    let arguments = json!({ "options": { "attach": ["/run/osbuild/inputs/in/image"] }, "inputs": { "in": { "path": scratch.path("input") } } });
    hostile::with_arguments(&scratch, "devices", &arguments)
        .run()
        .expect(1)
        .says(": refused: ");
}

#[test]
fn a_device_that_was_not_granted_is_not_mounted_nor_anything_over_other_places() {
    if !machine::offers(&[]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("tree/image", vec![0; 1 << 20]);
    let mount = [
        ("/dev/loop0", "/run/osbuild/mounts/a"),
        ("/dev/vda", "/run/osbuild/mounts/a"),
        ("/run/osbuild/tree/image", "/run/osbuild/mounts/a"),
        ("/dev/../dev/sda", "/run/osbuild/mounts/a"),
        ("/dev/loop0", "/etc"),
        ("/dev/loop0", "/run/osbuild/mounts/../tree"),
    ];
    let ended = hostile::stage(&scratch, "devices", json!({ "mount": mount }))
        .run()
        .expect(1);
    assert_eq!(
        ended.stdout.matches(": refused: ").count(),
        mount.len(),
        "{}",
        ended.all()
    );
}

#[test]
fn what_a_stage_leaves_attached_and_mounted_goes_with_it() {
    if !machine::offers(&["mkfs.ext4"]) {
        return;
    }
    let scratch = Scratch::new();
    let image = scratch.write("tree/image", vec![0; 8 << 20]);
    let made = std::process::Command::new("mkfs.ext4")
        .arg("-q")
        .arg(&image)
        .status();
    assert!(made.expect("mkfs.ext4").success());
    scratch.directory("mounts");
    let arguments = json!({ "options": { "leak": "/run/osbuild/tree/image" }, "paths": { "mounts": scratch.path("mounts") } });
    hostile::with_arguments(&scratch, "devices", &arguments)
        .run()
        .expect(0)
        .says("left mounted");
    machine::assert_nothing_left(scratch.root());
}
