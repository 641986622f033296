//! Pipelines that are built in a virtual machine: what the kernels of test machines often lack. One boot does for all of it.
mod esp;
mod trees;

use osbuild_wasm_tests::{Program, Scratch, machine, manifest, paths, user};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a machine takes, and what is built in this one.
const TOOLS: [&str; 12] = [
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
];

/// Emulated, and with other tests at the same time.
const LIMIT: Duration = Duration::from_secs(900);

/// A root directory with Debian's kernel, which has all modules. Made once and kept.
fn kernel() -> &'static Path {
    static KERNEL: OnceLock<PathBuf> = OnceLock::new();
    KERNEL.get_or_init(|| {
        let directory = paths::kept("kernel");
        let lock = File::create(directory.join("lock")).expect("the target directory");
        flock(&lock, FlockOperation::LockExclusive).expect("a lock");
        let script = r#"[ -e root/done ] && exit 0
            package=$(apt-cache depends "linux-image-$(dpkg --print-architecture)" | awk '/Depends: linux-image/ { print $2 }')
            rm -rf root ./*.deb && apt-get download "$package" && dpkg-deb -x ./*.deb root && rm ./*.deb
            depmod -b root "${package#linux-image-}" && chmod -R go+rX root && touch root/done"#;
        let made = Command::new("sh")
            .args(["-ec", script])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .status();
        assert!(made.expect("sh").success(), "there is no kernel");
        directory.join("root")
    })
}

fn can_run() -> bool {
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

/// Stages behind those of the sample: its file systems are read back; then volumes on the bare disk, a container whose second key is
/// the only one left, and hashes of a disk.
fn more() -> Vec<Value> {
    let truncate = |file: &str, size: &str| json!({ "type": "org.osbuild.truncate", "options": { "filename": file, "size": size } });
    let part = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk.img", "start": 22528, "size": 196_608 } });
    let efi = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk.img", "start": 2048, "size": 20480 } });
    let sealed = json!({ "disk": part, "sealed": luks("disk"), "it": volume("sealed", "root") });
    let plain = json!({ "disk": loopback("plain.img"), "it": volume("disk", "data-a") });
    let plain_device = json!({ "disk": loopback("plain.img"), "device": volume("disk", "data-a") });
    let on_plain = json!({ "device": loopback("plain.img") });
    vec![
        read_back("etc/hostname", "from-volume", "org.osbuild.ext4", &sealed),
        read_back(
            "HOSTNAME",
            "from-fat",
            "org.osbuild.fat",
            &json!({ "it": efi }),
        ),
        // Large enough for blocks that fs-verity takes.
        truncate("plain.img", "640M"),
        json!({ "type": "org.osbuild.lvm2.create", "options": { "volumes": [{ "name": "data-a", "extents": "100%FREE" }] }, "devices": on_plain }),
        json!({ "type": "org.osbuild.lvm2.metadata", "options": { "vg_name": "plain-vg" }, "devices": on_plain }),
        json!({ "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3561", "verity": true }, "devices": plain_device }),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "tree:///from-volume", "to": "mount://it/again" }] },
            "devices": plain,
            "mounts": [{ "name": "it", "type": "org.osbuild.ext4", "source": "it", "target": "/" }],
        }),
        read_back("again", "from-plain", "org.osbuild.ext4", &plain),
        json!({
            "type": "org.osbuild.copy",
            "options": { "paths": [
                { "from": format!("input://fetched/{}", manifest::HELLO), "to": "tree:///from-source" },
                { "from": "input://built/etc/hostname", "to": "tree:///from-pipeline" },
            ] },
            "inputs": {
                "fetched": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [manifest::HELLO] },
                "built": { "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { "name:tree": { "file": "etc/hostname" } } },
            },
        }),
        truncate("data.img", "1M"),
        truncate("hashes.img", "1M"),
        json!({
            "type": "org.osbuild.dmverity",
            "options": { "root_hash_file": "root-hash" },
            "devices": { "data_device": loopback("data.img"), "hash_device": loopback("hashes.img") },
        }),
    ]
}

/// The sample, with more stages and a pipeline that is built outside from what was built inside.
fn document() -> Value {
    let text = std::fs::read_to_string(paths::sample("encrypted-volumes.json")).expect("a sample");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let pipelines = document["pipelines"].as_array_mut().expect("pipelines");
    let image = pipelines[1]["stages"].as_array_mut().expect("stages");
    image.extend(more());
    image.extend(esp::stages());
    pipelines.insert(0, esp::content());
    pipelines.push(json!({ "name": "outside", "stages": [{
        "type": "org.osbuild.copy",
        "options": { "paths": [{ "from": "input://image/from-plain", "to": "tree:///taken" }] },
        "inputs": { "image": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:image"] } },
    }] }));
    document["sources"] = manifest::hello_source();
    document
}

#[test]
fn an_ordinary_user_builds_volumes_and_containers_in_a_virtual_machine() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.json("manifest.json", &document());
    let build = user::machine(&scratch).build(
        "--json --in-vm image --export image --export outside --checkpoint org.osbuild.lvm2.metadata",
    );
    let ended = build
        .env("OSBUILD_WASM_KERNEL", kernel())
        .arg(&file)
        .limit(LIMIT)
        .run()
        .expect(0);
    machine::assert_nothing_left(scratch.root());
    for name in [
        "image/from-volume",
        "image/from-fat",
        "image/from-plain",
        "outside/taken",
    ] {
        assert_eq!(scratch.read(&format!("out/{name}")), "sealed\n", "{name}");
    }
    assert_eq!(scratch.read("out/image/from-source"), "hello\n");
    assert_eq!(scratch.read("out/image/from-pipeline"), "sealed\n");
    assert!(scratch.read("out/image/root-hash").trim().len() >= 64);
    // The result document has the stages as any other.
    let result = ended.json();
    let log = result["log"]["image"].as_array().expect("stages").len();
    assert_eq!(log, 8 + more().len() + esp::stages().len());
    // The tree after a stage in the middle is in the store: two stages have that type.
    let objects = std::fs::read_dir(scratch.path("store/objects")).expect("objects");
    assert_eq!(objects.count(), 2);
    esp::is_as_without_kernel(&scratch, "out/image");
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
