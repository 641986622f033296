//! Discoverable disk images.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use osbuild_wasm_protocol::{Attach, ErrorCode, Interface, MountImage, Unmount};
use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::support::{Bench, MOUNTS, attach, can_attach, host};

/// An image with a root file system and one for /home, as their types of partitions say.
const PARTITIONS: &str = "label: gpt\n\
    start=2048, size=32768, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n\
    start=36864, size=24576, type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915\n";

/// Makes the image with a device node and a set-id file in it, and returns its contract path.
fn disk_image(bench: &Bench) -> String {
    let path = bench.disk("image.raw", 32);
    let file = bench.tree().join("image.raw");
    let (root, home) = (bench.top().join("root"), bench.top().join("home"));
    for directory in ["usr/lib", "etc", "home"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::create_dir(&home).unwrap();
    fs::write(root.join("usr/lib/os-release"), "ID=test\n").unwrap();
    fs::write(home.join("program"), "").unwrap();
    fs::set_permissions(home.join("program"), PermissionsExt::from_mode(0o4755)).unwrap();
    let script = format!(
        "mknod {root}/etc/disk b 7 0
        printf '{PARTITIONS}' | sfdisk --quiet {file}
        mke2fs -q -t ext4 -d {root} -E offset=1048576 {file} 8M
        mke2fs -q -t ext4 -d {home} -E offset=18874368 {file} 12M",
        root = root.display(),
        home = home.display(),
        file = file.display(),
    );
    host("/bin/sh", &["-ec", &script]);
    path
}

pub fn image(device: &str) -> MountImage {
    MountImage {
        device: device.into(),
        target: format!("{MOUNTS}/image"),
        read_only: false,
        grow: true,
        check: true,
        discard: None,
        policy: None,
        filter: None,
    }
}

/// The image as a device whose partitions are known.
fn scanned(path: &str) -> Attach {
    Attach {
        partition_scan: true,
        ..attach(path)
    }
}

#[test]
fn a_superblock_of_a_disk_image_does_not_decide_what_happens_on_errors() {
    if !can_attach(&["systemd-dissect", "sfdisk", "partx", "tune2fs"]) {
        return;
    }
    let bench = Bench::new();
    let path = disk_image(&bench);
    let home = format!(
        "{}?offset=18874368",
        bench.tree().join("image.raw").display()
    );
    host("/usr/bin/env", &["tune2fs", "-e", "panic", &home]);
    let (loopback, ddi) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Ddi),
    );
    let devices = bench.begin(&loopback);
    let device = devices.attach(scanned(&path)).unwrap().device;
    let refused = bench.begin(&ddi).call(image(&device), &[]).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Denied, "{refused}");
}

#[test]
fn a_disk_image_is_mounted_from_a_sandbox_without_devices_and_set_id_programs() {
    if !can_attach(&["systemd-dissect", "sfdisk", "partx"]) {
        return;
    }
    let bench = Bench::new();
    let path = disk_image(&bench);
    let (loopback, ddi) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Ddi),
    );
    let devices = bench.begin(&loopback);
    let device = devices.attach(scanned(&path)).unwrap().device;
    let session = bench.begin(&ddi);
    let mounted = session
        .call(image(&device), &[])
        .unwrap_or_else(|failure| panic!("{failure}: {}", bench.log()));
    let top = bench.top().join("mounts/image");
    assert!(top.join("usr/lib/os-release").exists());
    assert!(top.join("home/program").exists());
    assert!(
        fs::metadata(top.join("etc/disk"))
            .unwrap()
            .file_type()
            .is_block_device()
    );
    for place in [top.clone(), top.join("home")] {
        let flags = statvfs(&place).unwrap().f_flag;
        let limits = StatVfsMountFlags::NOSUID | StatVfsMountFlags::NODEV;
        assert!(flags.contains(limits), "{place:?}: {flags:?}");
    }
    fs::write(top.join("home/new"), "written").unwrap();
    session.call(Unmount(mounted.handle), &[]).unwrap();
    assert!(!top.join("usr").exists());
    session.end().unwrap();
    devices.end().unwrap();
    let output = std::process::Command::new("debugfs")
        .args(["-R", "cat new"])
        .arg(format!(
            "{}?offset=18874368",
            bench.tree().join("image.raw").display()
        ))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "written");
}
