//! What is told before a run: how disks come to be, and what cannot be built on this machine.
use super::{by_root, can_run, copy, disk, on_device, tree};
use osbuild_wasm_tests::program::through_shell_in_namespace;
use osbuild_wasm_tests::{Program, Scratch, hostile, machine, manifest, user};
use serde_json::{Value, json};
use std::path::Path;

fn plan(options: &str, file: &Path) -> Program {
    Program::new(&format!("plan {options}"))
        .option("--libdir", hostile::library())
        .arg(file)
}

#[test]
fn a_plan_says_how_disks_come_to_be() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    plan("--devices=none --format json", &file)
        .run()
        .expect(0)
        .says(r#""devices": "none""#)
        .says(r#""by": "a file""#)
        .says(r#""by": "a directory, of which mkfs.ext4 makes it anew""#)
        .says(r#""by": "a directory, copied by mtools""#);
    plan("--devices=none", &file)
        .run()
        .expect(0)
        .says("devices: none: files stand for loop devices")
        .says("this machine: nothing is known to be missing");
    plan("--devices=auto", &file)
        .run()
        .expect(0)
        .says("devices: loop: loop devices and mounts of the kernel");
    plan("", &file).run().expect(0).never_says("devices: ");
    // What is `auto` depends on the user.
    let user = user::machine(&scratch);
    let command = format!(
        "plan --devices=auto --libdir {} {}",
        hostile::library().display(),
        file.display()
    );
    user.run(&command)
        .run()
        .expect(0)
        .says("devices: none: files stand");
    let command = command.replace("auto", "loop --format json");
    user.run(&command)
        .run()
        .expect(1)
        .says("needs loop devices, which only root of the machine has");
}

#[test]
fn a_plan_says_what_a_run_would_refuse() {
    if !can_run() {
        return;
    }
    for (stages, what) in super::refused::impossible() {
        let scratch = Scratch::new();
        let document = manifest::tree(Value::Array(stages));
        let file = scratch.json("manifest.json", &document);
        let ended = plan("--devices=none --format json", &file).run().expect(1);
        ended
            .says(r#""lacks": ""#)
            .says(what)
            .says("--devices=loop");
        let text = plan("--devices=none", &file).run().expect(1);
        text.says("this machine: refused: 1 module cannot run here");
    }
}

/// A shell script that takes something of the machine away and goes on.
fn without(path: &str, file: &Path, scratch: &Scratch, way: &str) -> Program {
    let script = format!("mount --bind /dev/null {path} && exec \"$@\"");
    let arguments = format!("run --quiet --export image --devices={way}");
    through_shell_in_namespace(&script, &arguments)
        .option("--libdir", hostile::library())
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(file)
}

#[test]
fn a_machine_without_loop_devices_is_told_before_the_first_stage() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &disk());
    let script = "mount -t tmpfs none /dev && for name in null zero full random urandom tty; do touch /dev/$name; done; exec \"$@\"";
    let run = |way: &str| {
        let arguments = format!("run --export image --devices={way}");
        through_shell_in_namespace(script, &arguments)
            .option("--libdir", hostile::library())
            .option("--store", scratch.path("store"))
            .option("--output-directory", scratch.path("out"))
            .arg(&file)
    };
    run("loop")
        .run()
        .expect(1)
        .says(".pipelines[1].stages[1] (org.osbuild.sfdisk): device device (org.osbuild.loopback) needs loop devices")
        .says("/dev/loop-control cannot be opened")
        .says("--devices=none, or in a virtual machine with --in-vm image")
        .never_says("org.osbuild.mkdir");
}

#[test]
fn a_machine_without_a_device_mapper_is_told_what_has_one() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let volume = json!({ "type": "org.osbuild.noop", "devices": {
        "below": { "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } },
        "device": { "type": "org.osbuild.lvm2.lv", "parent": "below", "options": { "volume": "root" } },
    } });
    let disk = json!({ "filename": "disk.img", "size": "300M" });
    let stages = json!([manifest::stage("org.osbuild.truncate", disk), volume]);
    let file = scratch.json("manifest.json", &manifest::tree(stages));
    let script = "mkdir -p /dev/mapper && mount -t tmpfs none /dev/mapper && exec \"$@\"";
    through_shell_in_namespace(script, "run --export tree --devices=loop")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(&file)
        .run()
        .expect(1)
        .says(".pipelines[0].stages[1] (org.osbuild.noop): device device (org.osbuild.lvm2.lv) needs the device mapper")
        .says("load the module dm_mod")
        .says("or in a virtual machine with --in-vm tree")
        .never_says("org.osbuild.truncate");
}

#[test]
fn a_machine_without_a_tool_is_told_before_the_first_stage() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let uuid = json!({ "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3562" });
    let mounts = [("root", "org.osbuild.ext4", 1, "/")];
    let document = manifest::of(json!([tree(), { "name": "image", "stages": [
        manifest::stage("org.osbuild.truncate", json!({ "filename": "disk.img", "size": "300M" })),
        on_device("org.osbuild.mkfs.ext4", uuid, Some(1)),
        copy(json!([{ "from": "input://tree/", "to": "mount://root/" }]), &mounts),
    ] }]));
    let file = scratch.json("manifest.json", &document);
    by_root(&scratch, "none", &file).expect(0);
    for (tool, stage, way) in [
        ("mkfs.ext4", 1, "loop"),
        ("mkfs.ext4", 1, "none"),
        ("debugfs", 2, "none"),
    ] {
        without(&format!("/usr/sbin/{tool}"), &file, &scratch, way)
            .run()
            .expect(1)
            .says(&format!(".pipelines[1].stages[{stage}] ("))
            .says(&format!("program {tool} is not installed on this machine"))
            .never_says("org.osbuild.mkdir");
    }
    machine::assert_nothing_left(scratch.root());
}
