//! What is refused before a virtual machine boots; `image` boots some.
use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths};
use serde_json::json;

/// What a machine takes beside a kernel.
const TOOLS: [&str; 3] = ["qemu-system-x86_64", "mkfs.ext4", "modprobe"];

fn run(scratch: &Scratch, options: &str) -> Program {
    Program::new(&format!("run --in-vm tree --export tree {options}"))
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .env("OSBUILD_WASM_KERNEL", scratch.directory("root"))
}

#[test]
fn without_a_kernel_a_virtual_machine_is_refused_before_the_first_stage() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let ended = run(&scratch, "").arg(&file).run().expect(1);
    ended
        .says("--in-vm tree: there is no kernel for a virtual machine")
        .says("OSBUILD_WASM_KERNEL")
        .never_says("org.osbuild.hostname");
    assert!(!scratch.path("store/scratch").exists());
}

#[test]
fn a_kernel_of_somebody_else_is_not_booted() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    let run = run(&scratch, "");
    std::os::unix::fs::chown(scratch.path("root"), Some(4242), None).unwrap();
    run.arg(&file).run().expect(1).says("4242");
}

#[test]
fn what_does_not_reach_into_a_virtual_machine_is_refused_with_it() {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    let modules = scratch.directory("root/lib/modules/6.1");
    std::fs::write(modules.join("vmlinuz"), "").unwrap();
    std::fs::write(modules.join("modules.dep"), "").unwrap();
    let names = [
        "virtio_pci",
        "virtio_blk",
        "virtio_console",
        "ext4",
        "9pnet_virtio",
        "9p",
    ];
    let builtin = names.map(|name| format!("kernel/{name}.ko\n")).concat();
    std::fs::write(modules.join("modules.builtin"), builtin).unwrap();
    let file = scratch.json("m", &manifest::tree(json!([manifest::hostname("vm")])));
    for option in ["--record", "--learn"] {
        let record = scratch.path("record");
        let ended = run(&scratch, "").option(option, record).arg(&file).run();
        ended.expect(2).says(&format!("{option} does not reach"));
    }
    let dnf = json!([{ "type": "org.osbuild.dnf", "options": { "releasever": "1", "basearch": "x86_64", "repos": [{ "baseurl": "http://127.0.0.1:9/" }], "packages": ["bash"] } }]);
    let file = scratch.json("dnf", &manifest::tree(dnf));
    let ended = run(&scratch, "").arg(&file).run().expect(1);
    ended.says("it reaches the network, and no virtual machine does");
}

#[test]
fn names_of_no_pipeline_are_no_virtual_machines() {
    let scratch = Scratch::new();
    Program::new("run --in-vm other --export archive")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(paths::sample("tar.json"))
        .run()
        .expect(0);
}
