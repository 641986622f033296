//! The samples that make bootable disks.
use crate::repository::{TOOLS, repository, with_sample};
use osbuild_wasm_tests::{Scratch, machine, paths, user};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Builds use both processors anyway; boots run side by side.
pub(crate) static BUILDING: Mutex<()> = Mutex::new(());

/// One store for both, kept from run to run: what has changed is built, the rest is there.
pub(crate) fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| paths::kept("image-store"))
}

/// Builds a sample by loop devices or without, and boots the disk it makes.
fn boots(sample: &str, export: &str, disk: &str, devices: &str) {
    if !machine::offers(&TOOLS) {
        return;
    }
    let scratch = Scratch::new();
    {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        repository();
        let script = r#""$0" run "$MANIFEST" --store "$STORE" --output-directory "$SCRATCH/out" --checkpoint build --devices "$DEVICES" --export "$EXPORT""#;
        let program = with_sample(&scratch, sample, script)
            .env("STORE", store())
            .env("EXPORT", export)
            .env("DEVICES", devices);
        program.limit(Duration::from_secs(300)).run().expect(0);
    }
    machine::assert_nothing_left(scratch.root());
    boot(sample, &scratch.path(disk));
}

/// Boots a disk until its marker and multi-user were seen on the console.
pub(crate) fn boot(name: &str, disk: &Path) {
    println!("{name}: {}", boots_with(disk, &["--quiet"]).trim());
}

/// All that a disk says on the console until its marker.
pub(crate) fn console(disk: &Path) -> String {
    boots_with(disk, &["--marker", "OSBUILD-WASM-BOOT-OK"])
}

fn boots_with(disk: &Path, options: &[&str]) -> String {
    let booted = Command::new(paths::sample("boot"))
        .args(options)
        .args(["--timeout", "300"])
        .arg(disk)
        .output()
        .expect("boot");
    let console = String::from_utf8_lossy(&booted.stdout);
    assert!(booted.status.success(), "{console}");
    assert!(console.contains("OSBUILD-WASM-BOOT-OK"), "{console}");
    console.into_owned()
}

#[test]
fn disk_image_boots_to_multi_user_and_prints_the_marker_of_its_manifest() {
    boots("disk-image.json", "qcow2", "out/qcow2/disk.qcow2", "auto");
}

#[test]
fn disk_image_of_version_1_boots_to_multi_user_and_prints_the_marker_of_its_manifest() {
    boots(
        "disk-image-v1.json",
        "assembler",
        "out/assembler/disk.qcow2",
        "auto",
    );
}

#[test]
fn the_disks_of_root_without_loop_devices_boot() {
    let disk = "out/qcow2/disk.qcow2";
    boots("disk-image.json", "qcow2", disk, "none");
    let disk = "out/assembler/disk.qcow2";
    boots("disk-image-v1.json", "assembler", disk, "none");
}

#[test]
fn the_disk_of_an_ordinary_user_boots() {
    if !machine::offers(&[&TOOLS[..], &user::PROGRAMS].concat()) {
        return;
    }
    let scratch = Scratch::new();
    let manifest = scratch.path("manifest.json");
    {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let within = format!(
            r#"{serve} {repository} sh -c '{render} {sample} --repository {repository} --url "$URL" >{manifest} && exec "$@"' sh"#,
            serve = paths::sample("serve").display(),
            render = paths::sample("render").display(),
            sample = paths::sample("disk-image.json").display(),
            repository = repository().display(),
            manifest = manifest.display(),
        );
        let build = user::machine(&scratch)
            .within(&within)
            .build("--quiet --export qcow2");
        build
            .arg(&manifest)
            .limit(Duration::from_secs(600))
            .run()
            .expect(0);
    }
    machine::assert_nothing_left(scratch.root());
    boot(
        "disk-image.json by a user",
        &scratch.path("out/qcow2/disk.qcow2"),
    );
}
