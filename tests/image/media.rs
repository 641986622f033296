//! Media that a machine starts from: the sample's, and a unified kernel image on an EFI system partition.
use crate::boot::{BUILDING, store};
use crate::repository::{TOOLS, with_sample};
use osbuild_wasm_tests::{Scratch, machine, paths};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

const SAMPLE: &str = "installer-iso.json";
/// What the sample and its checks take besides.
const MEDIA_TOOLS: [&str; 6] = [
    "checkisomd5",
    "isoinfo",
    "mkfs.fat",
    "objcopy",
    "mcopy",
    "python3",
];
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const SECURE_FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd";
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

fn can_run() -> bool {
    let there = machine::offers(&[&TOOLS[..], &MEDIA_TOOLS].concat());
    for file in [FIRMWARE, SECURE_FIRMWARE, STUB] {
        assert!(
            !there || Path::new(file).exists(),
            "{file} is missing: run tools/install-packages"
        );
    }
    there
}

/// Builds the sample with more pipelines, and exports these. What the sample keeps is built once.
fn build(scratch: &Scratch, more: &[Value], exports: &[&str]) {
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(paths::sample(SAMPLE)).expect("the sample");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let pipelines = document["pipelines"].as_array_mut().expect("pipelines");
    pipelines.extend_from_slice(more);
    let template = scratch.json("template.json", &document);
    let exports: Vec<_> = exports
        .iter()
        .map(|name| format!("--export {name}"))
        .collect();
    let script = format!(
        r#""$0" run "$MANIFEST" --store "$STORE" --output-directory "$SCRATCH/out" --checkpoint build --checkpoint media --checkpoint system {}"#,
        exports.join(" ")
    );
    let program = with_sample(scratch, SAMPLE, &script)
        .env("STORE", store())
        .env("SAMPLE", template);
    program.limit(Duration::from_secs(600)).run().expect(0);
    machine::assert_nothing_left(scratch.root());
}

/// Boots until all markers were on the console.
fn boots(name: &str, arguments: &[&str], files: &[&Path], markers: &[&str]) {
    let booted = Command::new(paths::sample("boot"))
        .args(["--quiet", "--timeout", "600"])
        .args(markers.iter().flat_map(|marker| ["--marker", marker]))
        .args(arguments)
        .args(files)
        .output()
        .expect("boot");
    let console = String::from_utf8_lossy(&booted.stdout);
    assert!(booted.status.success(), "{name}: {console}");
    println!("{name}: {}", console.trim());
}

/// Runs a program that must succeed.
fn checked(program: impl AsRef<Path>, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program.as_ref())
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("a program");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {said}{errors}",
        program.as_ref().display()
    );
    said
}

/// Anaconda's reader of kickstart files, installed once.
fn ksvalidator() -> PathBuf {
    let directory = paths::kept("pykickstart");
    let script = "[ -e .venv/done ] || { python3 -m venv .venv; .venv/bin/pip install --quiet pykickstart==3.78; touch .venv/done; }";
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .status();
    assert!(
        made.expect("sh").success(),
        "pykickstart cannot be installed"
    );
    directory.join(".venv/bin/ksvalidator")
}

#[test]
fn an_installer_medium_boots_from_a_bios_and_from_efi_that_starts_only_what_is_signed() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    build(&scratch, &[], &["iso"]);
    let medium = scratch.path("out/iso/installer.iso");
    checked("checkisomd5", &["--verbose"], &medium);
    let kickstart = checked("isoinfo", &["-R", "-x", "/ks.cfg", "-i"], &medium);
    let kickstart = scratch.write("ks.cfg", kickstart);
    checked(ksvalidator(), &["--version", "F40"], &kickstart);
    // The kickstart file is read by the system that was started.
    let markers = ["OSBUILD-WASM-BOOT-OK installer liveimg"];
    // The entry that isolinux proposes checks the medium by its checksum before.
    boots(
        "medium, BIOS",
        &["--enter", "--cdrom"],
        &[&medium],
        &markers,
    );
    // Debian's shim, its GRUB and its kernel are signed.
    boots(
        "medium, EFI with Secure Boot",
        &["--secure-boot", "--cdrom"],
        &[&medium],
        &markers,
    );
}

/// The sample's medium with GRUB for the BIOS too and its root as EROFS, and the image with it.
fn with_grub() -> [Value; 2] {
    let tree = |pipeline: &str| json!({ "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [format!("name:{pipeline}")] });
    let copied = ["images", "EFI", "ks.cfg"]
        .map(|name| json!({ "from": format!("input://medium/{name}"), "to": "tree:///" }));
    let content = json!({ "name": "grub-medium", "build": "name:build", "stages": [
        { "type": "org.osbuild.mkdir", "options": { "paths": [{ "path": "/LiveOS" }] } },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": copied },
            "inputs": { "medium": tree("medium") },
        },
        {
            "type": "org.osbuild.erofs",
            "options": { "filename": "LiveOS/rootfs.img", "exclude_paths": ["boot/.*"], "compression": { "method": "lz4" } },
            "inputs": { "tree": tree("system") },
        },
        {
            "type": "org.osbuild.grub2.iso.legacy",
            "options": {
                "product": { "name": "Demo Linux", "version": "1" },
                "kernel": { "dir": "/images/pxeboot", "opts": ["root=live:CDLABEL=DEMO-1", "rd.live.image", "rd.live.overlay.overlayfs=1", "console=ttyS0,115200n8", "systemd.show_status=1"] },
                "isolabel": "DEMO-1",
                "config": { "timeout": 1, "default": 0 },
            },
        },
        {
            "type": "org.osbuild.grub2.inst",
            "options": {
                "filename": "images/eltorito.img",
                "platform": "i386-pc",
                "core": { "type": "mkimage", "partlabel": "gpt", "filesystem": "iso9660" },
                "prefix": { "path": "/boot/grub2" },
            },
        },
    ] });
    let image = json!({ "name": "grub-iso", "stages": [{
        "type": "org.osbuild.xorrisofs",
        "options": {
            "filename": "grub.iso",
            "volid": "DEMO-1",
            "boot": { "image": "images/eltorito.img", "catalog": "boot.cat" },
            "efi": "images/efiboot.img",
            "grub2mbr": "/usr/lib/grub/i386-pc/boot_hybrid.img",
        },
        "inputs": { "tree": tree("grub-medium") },
    }] });
    [content, image]
}

#[test]
fn a_medium_with_grub_starts_as_a_disc_and_as_a_disk_and_its_root_is_erofs() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    build(&scratch, &with_grub(), &["grub-iso"]);
    let medium = scratch.path("out/grub-iso/grub.iso");
    // Its initramfs, which looks for the medium then, as that of the other medium does; once up to the system.
    let starts = &["dracut initqueue hook"][..];
    let all = &["OSBUILD-WASM-BOOT-OK installer"];
    for (name, arguments, markers) in [
        ("GRUB, BIOS", &["--cdrom"][..], starts),
        ("GRUB, EFI", &["--efi", "--cdrom"], starts),
        ("GRUB, BIOS, as a disk, root is EROFS", &[], all),
    ] {
        boots(name, arguments, &[&medium], markers);
    }
}

/// An EFI system partition whose boot loader is a unified kernel image.
fn unified() -> [Value; 2] {
    let file = |pipeline: &str, name: &str| json!({ "type": "org.osbuild.files", "origin": "org.osbuild.pipeline", "references": { format!("name:{pipeline}"): { "file": name } } });
    let device = json!({ "type": "org.osbuild.loopback", "options": { "filename": "esp.img" } });
    let uki = json!({ "name": "uki", "stages": [
        { "type": "org.osbuild.mkdir", "options": { "paths": [{ "path": "/EFI/BOOT", "parents": true }] } },
        {
            "type": "org.osbuild.uki",
            "options": { "filename": "EFI/BOOT/BOOTX64.EFI", "kernel": { "opts": ["console=ttyS0,115200n8", "medium.is=unified"] } },
            "inputs": {
                "osrel": file("system", "usr/lib/os-release"),
                "kernel": file("medium", "images/pxeboot/vmlinuz"),
                "initrd": file("medium", "images/pxeboot/initrd.img"),
            },
        },
    ] });
    let esp = json!({ "name": "esp", "stages": [
        { "type": "org.osbuild.truncate", "options": { "filename": "esp.img", "size": "96M" } },
        { "type": "org.osbuild.mkfs.fat", "options": { "volid": "7b7795e7", "label": "ESP" }, "devices": { "device": device } },
        {
            "type": "org.osbuild.copy",
            "options": { "paths": [{ "from": "input://uki/", "to": "mount://esp/" }] },
            "inputs": { "uki": { "type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": ["name:uki"] } },
            "devices": { "esp": device },
            "mounts": [{ "name": "esp", "type": "org.osbuild.fat", "source": "esp", "target": "/" }],
        },
    ] });
    [uki, esp]
}

#[test]
fn a_unified_kernel_image_boots_from_efi_unless_it_would_have_to_be_signed() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new();
    build(&scratch, &unified(), &["esp"]);
    // Its kernel, with its command line, starts its initramfs; that has no root to look for.
    let markers = ["medium.is=unified", "Run /init as init process", "dracut"];
    let partition = scratch.path("out/esp/esp.img");
    boots("unified kernel image", &["--efi"], &[&partition], &markers);
    boots(
        "unified kernel image, Secure Boot",
        &["--secure-boot"],
        &[&partition],
        &["Access Denied"],
    );
}
