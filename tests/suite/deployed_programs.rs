//! Programs of a deployed system that run with it as their root.
use base64::prelude::{BASE64_STANDARD, Engine};
use osbuild_wasm_tests::{Program, Scratch, machine, manifest};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What bootupctl does, as far as its surroundings are concerned: Debian does not have it.
const BOOTUPCTL: &str = r#"#!/usr/bin/busybox sh
set -e
b=/usr/bin/busybox
[ "$1 $2" = "backend install" ]
device=${3#--device=}
[ "$4" = --with-static-configs ]
$b test -b "$device"
$b test -d /proc/self
$b test -d /sys/block
for directory in /run /tmp /var/tmp; do
    echo x >"$directory/x"
done
$b ls -d /tmp/x /usr/bin/bootupctl >"$5/boot/installed"
"#;

/// A source with a file, and its reference.
fn source(items: &mut serde_json::Map<String, Value>, content: &[u8]) -> String {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(content)));
    items.insert(
        digest.clone(),
        json!({ "encoding": "base64", "data": BASE64_STANDARD.encode(content) }),
    );
    digest
}

#[test]
fn bootupd_of_a_system_finds_its_disk_the_mounts_and_places_to_write() {
    if !machine::offers(&["busybox", "chroot", "mkfs.ext4"]) {
        return;
    }
    let mut items = serde_json::Map::new();
    let busybox = std::fs::read("/usr/bin/busybox").expect("busybox");
    let files = [
        (source(&mut items, &busybox), "busybox"),
        (source(&mut items, BOOTUPCTL.as_bytes()), "bootupctl"),
    ];
    let directories = [
        "boot", "dev", "proc", "run", "sys", "tmp", "usr/bin", "var/lib",
    ]
    .map(|path| json!({ "path": format!("/{path}"), "parents": true }));
    let copies = files.each_ref().map(|(digest, name)| json!({ "from": format!("input://files/{digest}"), "to": format!("tree:///usr/bin/{name}") }));
    let modes: serde_json::Map<_, _> = files
        .iter()
        .map(|(_, name)| (format!("/usr/bin/{name}"), json!({ "mode": "755" })))
        .collect();
    let references: Vec<_> = files.iter().map(|(digest, _)| digest).collect();
    let device = json!({ "type": "org.osbuild.loopback", "options": { "filename": "disk.img" } });
    let mount =
        json!([{ "name": "root", "type": "org.osbuild.ext4", "source": "disk", "target": "/" }]);
    let mut document = manifest::of(json!([
        { "name": "tree", "stages": [
            { "type": "org.osbuild.mkdir", "options": { "paths": directories } },
            {
                "type": "org.osbuild.copy",
                "options": { "paths": copies },
                "inputs": { "files": { "type": "org.osbuild.files", "origin": "org.osbuild.source", "references": references } },
            },
            { "type": "org.osbuild.chmod", "options": { "items": modes } },
        ] },
        { "name": "disk", "stages": [
            { "type": "org.osbuild.truncate", "options": { "filename": "disk.img", "size": "32M" } },
            { "type": "org.osbuild.mkfs.ext4", "options": { "uuid": "6264d520-3fb9-423f-8ab8-7a0a8e3d3561" }, "devices": { "device": device } },
            {
                "type": "org.osbuild.copy",
                "options": { "paths": [{ "from": "input://tree/", "to": "mount://root/" }] },
                "inputs": { "tree": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:tree"] } },
                "devices": { "disk": device },
                "mounts": mount,
            },
            {
                "type": "org.osbuild.bootupd",
                "options": { "bios": { "device": "disk" }, "static-configs": true },
                "devices": { "disk": device },
                "mounts": mount,
            },
            {
                "type": "org.osbuild.copy",
                "options": { "paths": [{ "from": "mount://root/boot/installed", "to": "tree:///installed" }, { "from": "mount://root/tmp", "to": "tree:///tmp" }] },
                "devices": { "disk": device },
                "mounts": mount,
            },
        ] },
    ]));
    document["sources"] = json!({ "org.osbuild.inline": { "items": items } });
    let scratch = Scratch::new();
    Program::new("run --export disk")
        .option("--store", scratch.path("store"))
        .option("--output-directory", scratch.path("out"))
        .arg(scratch.json("manifest.json", &document))
        .run()
        .expect(0);
    machine::assert_nothing_left(scratch.root());
    assert_eq!(
        scratch.read("out/disk/installed"),
        "/tmp/x\n/usr/bin/bootupctl\n"
    );
    // What it wrote there was not written to the system.
    assert!(!scratch.path("out/disk/tmp/x").exists());
}

/// What stands for each program of a tree: it tells how it was called, if it has what a system gives its programs.
const TELL: &str = r#"#!/bin/sh
set -e
test -c /dev/null
test -d /proc/self
echo "${0##*/} $*" >>/etc/called
[ "$1" != --info-zone=new ] || exit 112
"#;

/// Stages whose work a program of the tree does: its options, the program, and how that is called.
fn calls() -> [(&'static str, Value, &'static str, &'static str); 6] {
    let firewall = json!({
        "default_zone": "public", "ports": ["53:udp"], "enabled_services": ["ssh"], "disabled_services": ["cockpit"],
        "zones": [{ "name": "new", "sources": ["192.0.2.0/24", "198.51.100.7"] }, { "name": "there", "sources": [] }],
    });
    let policy = json!({ "policy": "FIPS:OSPP" });
    let profile = json!({ "profile": "sssd", "features": ["with-mkhomedir", "with-sudo"] });
    [
        (
            "authconfig",
            json!({}),
            "usr/sbin/authconfig",
            "authconfig --nostart --updateall\n",
        ),
        (
            "authselect",
            profile,
            "usr/bin/authselect",
            "authselect select --force --nobackup sssd with-mkhomedir with-sudo\n",
        ),
        (
            "bootupd.gen-metadata",
            json!({}),
            "usr/bin/bootupctl",
            "bootupctl backend generate-update-metadata /\n",
        ),
        (
            "firewall",
            firewall,
            "usr/bin/firewall-offline-cmd",
            "firewall-offline-cmd --set-default-zone=public\n\
             firewall-offline-cmd --port=53:udp --service=ssh --remove-service=cockpit\n\
             firewall-offline-cmd --info-zone=new\n\
             firewall-offline-cmd --new-zone=new\n\
             firewall-offline-cmd --zone=new --add-source=192.0.2.0/24 --add-source=198.51.100.7\n\
             firewall-offline-cmd --info-zone=there\n",
        ),
        (
            "mkinitcpio",
            json!({ "preset": "linux-lts" }),
            "usr/bin/mkinitcpio",
            "mkinitcpio -p linux-lts\n",
        ),
        (
            "update-crypto-policies",
            policy,
            "usr/bin/update-crypto-policies",
            "update-crypto-policies --set FIPS:OSPP\n",
        ),
    ]
}

#[test]
fn programs_that_no_debian_has_are_called_as_osbuild_calls_them() {
    if !machine::offers(&["busybox", "chroot"]) {
        return;
    }
    let scratch = Scratch::new();
    for (stage, options, program, called) in calls() {
        let tree = scratch.directory(stage);
        for directory in [
            "bin", "dev", "etc", "proc", "sys", "usr/bin", "usr/sbin", "var",
        ] {
            std::fs::create_dir_all(tree.join(directory)).expect("a directory");
        }
        std::fs::copy("/usr/bin/busybox", tree.join("bin/sh")).expect("busybox");
        std::fs::write(tree.join(program), TELL).expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(tree.join(program), mode).expect("a mode");
        let arguments = scratch.json(&format!("{stage}.json"), &json!({ "options": options }));
        Program::new(&format!("stage run org.osbuild.{stage}"))
            .option("--tree", &tree)
            .option("--args", arguments)
            .run()
            .expect(0);
        let told = scratch.read(&format!("{stage}/etc/called"));
        assert_eq!(told, called, "{stage}");
    }
    machine::assert_nothing_left(scratch.root());
}
