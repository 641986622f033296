//! Devices and mounts: the helpers must not do for a component what it may not do itself.
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Scratch, hostile, machine, manifest};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

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

/// What a tool sees, each in a line: block devices, files at the top, what it may write, and processes.
const LOOK: &str = r#"#!/bin/sh
exec >&2
for file in /dev/*; do [ ! -b $file ] || echo "block device $file"; done
for file in /*; do echo "top $file"; done
for file in /etc /root /home /var $SECRET; do [ ! -e $file ] || echo "there is $file"; done
while read -r device place kind flags rest; do case $flags in rw,*) echo "writable $place $kind" ;; esac; done </proc/self/mounts
for file in /proc/[0-9]*/comm; do read -r name <$file && echo "process $name"; done
exit 1
"#;

/// All of the helpers' own tools are started in the same way, partx, lvm and cryptsetup as systemd-dissect.
#[test]
fn a_tool_of_a_helper_sees_one_device_and_nothing_else_of_the_machine() {
    if !machine::offers(&["systemd-dissect", "unshare", "mount"]) {
        return;
    }
    let scratch = Scratch::new();
    let secret = scratch.write("secret", "");
    let look = LOOK.replace("$SECRET", &secret.display().to_string());
    let look = scratch.write("look", look);
    fs::set_permissions(&look, fs::Permissions::from_mode(0o755)).unwrap();
    let device = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk" } });
    let mount = json!({ "name": "m", "type": "org.osbuild.ddi", "source": "d", "target": "/" });
    let truncate = json!({ "filename": "disk", "size": "8M" });
    let stages = json!([
        manifest::stage("org.osbuild.truncate", truncate),
        { "type": "org.osbuild.noop", "devices": { "d": device }, "mounts": [mount] },
    ]);
    let file = scratch.json("manifest.json", &manifest::tree(stages));
    let script = format!(
        r#"mount --bind {} /usr/bin/systemd-dissect && exec "$@""#,
        look.display()
    );
    let ended = through_shell_in_namespace(&script, "run --export tree")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(file)
        .run()
        .expect(1);
    let seen = |what: &str| -> Vec<&str> {
        let lines = ended
            .stderr
            .lines()
            .map(|line| line.trim_start_matches([' ', '|']));
        let found = lines.filter_map(|line| line.strip_prefix(what)?.strip_prefix(' '));
        found.collect()
    };
    let [device] = seen("block device")[..] else {
        panic!("{}", ended.all());
    };
    assert!(device.starts_with("/dev/loop"), "{device}");
    let usual = "/bin /dev /lib /lib32 /lib64 /libx32 /proc /run /sbin /sys /tmp /usr";
    let usual: Vec<_> = usual.split(' ').collect();
    assert!(
        seen("top").iter().all(|top| usual.contains(top)),
        "{}",
        ended.all()
    );
    assert_eq!(seen("there is"), Vec::<&str>::new());
    let memory = seen("writable");
    assert!(
        memory
            .iter()
            .all(|mount| mount.ends_with(" tmpfs") || mount.ends_with(" devpts")),
        "{memory:?}"
    );
    assert!(seen("process").len() < 8, "{}", ended.all());
    machine::assert_nothing_left(scratch.root());
}
