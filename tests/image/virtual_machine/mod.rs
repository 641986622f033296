//! Pipelines that are built in a virtual machine: what the kernels of test machines often lack.
mod esp;
mod storage;
mod system;
mod system_disk;
mod trees;

use osbuild_wasm_tests::{Program, Scratch, debian, machine, paths, user};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a machine takes, and what is built in this one.
const TOOLS: [&str; 15] = [
    "apt-get",
    "dpkg-deb",
    "depmod",
    "modprobe",
    "qemu-system-x86_64",
    "mkfs.ext4",
    "mkfs.fat",
    "mcopy",
    "cryptsetup",
    "lvcreate",
    "veritysetup",
    "sfdisk",
    "mkfs.btrfs",
    "mkfs.xfs",
    "grub-mkimage",
];

/// Emulated, and with other tests at the same time.
const LIMIT: Duration = Duration::from_secs(900);

/// A root directory with Debian's kernel, which has all modules. Made once and kept.
pub(crate) fn kernel() -> &'static Path {
    static KERNEL: OnceLock<PathBuf> = OnceLock::new();
    KERNEL.get_or_init(|| {
        let newest = r#"apt-cache depends "linux-image-$(dpkg --print-architecture)" | awk '/Depends: linux-image/ { print $2 }'"#;
        let package = Program::of("sh", "-ec").arg(newest).run().expect(0).stdout;
        let package = package.trim();
        let root = debian::unpacked(package);
        let release = package.trim_start_matches("linux-image-");
        Program::of("depmod", "-b").arg(&root).arg(release).run().expect(0);
        root
    })
}

pub(crate) fn can_run() -> bool {
    machine::offers(&[&TOOLS[..], &user::PROGRAMS].concat())
}

fn loopback(file: &str) -> Value {
    json!({ "type": "org.osbuild.loopback", "options": { "filename": file } })
}

fn luks(parent: &str) -> Value {
    json!({ "type": "org.osbuild.luks2", "parent": parent, "options": { "passphrase": "open sesame" } })
}

fn volume(parent: &str, name: &str) -> Value {
    json!({ "type": "org.osbuild.lvm2.lv", "parent": parent, "options": { "volume": name } })
}

/// A stage that brings a file of a file system into the tree.
fn read_back(from: &str, to: &str, module: &str, devices: &Value) -> Value {
    json!({
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": format!("mount://it/{from}"), "to": format!("tree:///{to}") }] },
        "devices": devices,
        "mounts": [{ "name": "it", "type": module, "source": "it", "target": "/" }],
    })
}

#[test]
fn nothing_of_a_virtual_machine_is_left_when_the_run_is_killed() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = paths::sample("encrypted-volumes.json");
    let running = Program::new("run --in-vm image --export image")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .env("OSBUILD_WASM_KERNEL", kernel())
        .arg(file)
        .limit(LIMIT)
        .start();
    let started = Instant::now();
    while !speaks(&scratch.path("store/scratch")) {
        assert!(started.elapsed() < LIMIT, "it does not boot");
        std::thread::sleep(Duration::from_millis(50));
    }
    running.signal_group(Signal::KILL);
    running.wait().expect(137);
    machine::assert_nothing_left(scratch.root());
}

/// Whether the console of a machine has something.
fn speaks(scratch: &Path) -> bool {
    let entries = std::fs::read_dir(scratch).into_iter().flatten().flatten();
    let mut consoles = entries.map(|entry| entry.path().join("files/console"));
    consoles.any(|console| std::fs::metadata(console).is_ok_and(|file| file.len() > 0))
}
