//! Mounts.

use std::fs;

use osbuild_wasm_protocol::{Attach, ErrorCode, Failure, FileSystem, Interface, Mount, Unmount};

use crate::support::{Bench, Calls, MOUNTS, TREE, attach, can_attach, host, loops_below};

pub fn mount(device: &str, kind: FileSystem) -> Mount {
    Mount {
        device: device.into(),
        partition: None,
        target: format!("{MOUNTS}/root"),
        kind,
        read_only: false,
        options: Vec::new(),
    }
}

/// A device on a file, with an empty ext4.
pub fn formatted(devices: &Calls, file: &str) -> String {
    let device = devices.attach(attach(file)).unwrap().device;
    host("/usr/bin/env", &["mkfs.ext4", "-q", &device]);
    device
}

/// Sessions for devices and mounts, in the order in which they are dropped.
pub struct Sessions {
    pub mounts: Calls,
    pub devices: Calls,
}

pub fn with_sessions(bench: &Bench, test: impl FnOnce(&Sessions)) {
    let (loopback, mounting) = (
        bench.client(Interface::Loopback),
        bench.client(Interface::Mount),
    );
    let sessions = Sessions {
        mounts: bench.begin(&mounting),
        devices: bench.begin(&loopback),
    };
    test(&sessions);
    sessions.mounts.end().unwrap();
    sessions.devices.end().unwrap();
    assert!(loops_below(bench.top()).is_empty());
}

#[test]
fn file_systems_are_made_mounted_written_and_unmounted() {
    if !can_attach(&["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"]) {
        return;
    }
    for (kind, make) in [
        (FileSystem::Ext4, &["mkfs.ext4", "-q"][..]),
        (FileSystem::Xfs, &["mkfs.xfs", "-q"][..]),
        (FileSystem::Btrfs, &["mkfs.btrfs", "-q"][..]),
    ] {
        let bench = Bench::new();
        let path = bench.disk("disk.img", 320);
        with_sessions(&bench, |Sessions { mounts, devices }| {
            let attached = devices.attach(attach(&path)).unwrap();
            host("/usr/bin/env", &[make, &[&attached.device]].concat());
            let mounted = mounts.call(mount(&attached.device, kind), &[]).unwrap();
            assert_eq!(mounted.path, format!("{MOUNTS}/root"));
            let file = bench.top().join("mounts/root/file");
            fs::write(&file, "content").unwrap();
            mounts.call(Unmount(mounted.handle), &[]).unwrap();
            assert!(!file.exists());
            let again = mounts
                .call(
                    Mount {
                        read_only: true,
                        ..mount(&attached.device, kind)
                    },
                    &[],
                )
                .unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), "content");
            assert!(fs::write(&file, "other").is_err());
            mounts.call(Unmount(again.handle), &[]).unwrap();
        });
    }
}

#[test]
fn a_partition_is_mounted_by_its_number() {
    if !can_attach(&["mkfs.ext4", "sfdisk", "partx"]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 64);
    let script = format!(
        "printf 'label: gpt\\n,8M\\n,32M\\n' | sfdisk -q {}",
        bench.tree().join("disk.img").display()
    );
    host("/bin/sh", &["-c", &script]);
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let attached = devices
            .attach(Attach {
                partition_scan: true,
                ..attach(&path)
            })
            .unwrap();
        host(
            "/usr/bin/env",
            &[
                "mkfs.ext4",
                "-q",
                "-L",
                "second",
                &format!("{}p2", attached.device),
            ],
        );
        let missing = Mount {
            partition: Some(3),
            ..mount(&attached.device, FileSystem::Ext4)
        };
        assert_eq!(
            mounts.call(missing, &[]).unwrap_err().code,
            ErrorCode::NotFound
        );
        let second = Mount {
            partition: Some(2),
            target: MOUNTS.into(),
            ..mount(&attached.device, FileSystem::Ext4)
        };
        mounts.call(second, &[]).unwrap();
        assert!(bench.top().join("mounts/lost+found").exists());
        let inner = Mount {
            partition: Some(2),
            target: format!("{TREE}/mnt/x"),
            ..mount(&attached.device, FileSystem::Ext4)
        };
        mounts.call(inner, &[]).unwrap();
        assert!(bench.tree().join("mnt/x/lost+found").exists());
    });
}

#[test]
fn what_cannot_be_mounted_says_why() {
    if !can_attach(&["mkfs.ext4", "mcopy"]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 16);
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let device = devices.attach(attach(&path)).unwrap().device;
        let fail = |mount: Mount| -> Failure { mounts.call(mount, &[]).unwrap_err() };
        let xfs = fail(mount(&device, FileSystem::Xfs));
        assert!(
            xfs.code == ErrorCode::Invalid && xfs.detail.starts_with("cannot mount xfs: "),
            "{xfs}"
        );
        assert_eq!(
            fail(Mount {
                options: vec!["loop".into()],
                ..mount(&device, FileSystem::Ext4)
            })
            .code,
            ErrorCode::Invalid
        );
        assert_eq!(
            fail(Mount {
                target: "/etc".into(),
                ..mount(&device, FileSystem::Ext4)
            })
            .code,
            ErrorCode::Denied
        );
        assert_eq!(
            fail(mount("/dev/null", FileSystem::Ext4)).code,
            ErrorCode::Denied
        );
        let fat = fail(mount(&device, FileSystem::Vfat));
        assert!(
            fat.detail.contains("FAT") || fat.detail.contains("vfat"),
            "{fat}"
        );
    });
}

#[test]
fn devices_of_other_files_are_denied() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    let (bench, other) = (Bench::new(), Bench::new());
    let client = other.client(Interface::Loopback);
    let session = other.begin(&client);
    let foreign = session
        .attach(attach(&other.disk("disk.img", 16)))
        .unwrap()
        .device;
    host("/usr/bin/env", &["mkfs.ext4", "-q", &foreign]);
    with_sessions(&bench, |Sessions { mounts, .. }| {
        assert_eq!(
            mounts
                .call(mount(&foreign, FileSystem::Ext4), &[])
                .unwrap_err()
                .code,
            ErrorCode::Denied
        );
    });
    let mut bench = bench;
    bench.devices = vec![("/dev/loop0".into(), foreign.into())];
    let log = fs::File::open("/dev/null").unwrap();
    let refused = bench
        .client(Interface::Mount)
        .begin(&bench.granted(), log.into())
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::Denied, "{refused}");
}

#[test]
fn a_shared_mount_namespace_is_refused() {
    if !can_attach(&["mkfs.ext4"]) {
        return;
    }
    use rustix::mount::{MountPropagationFlags, mount_change};
    let bench = Bench::new();
    let path = bench.disk("disk.img", 16);
    mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    )
    .unwrap();
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let device = devices.attach(attach(&path)).unwrap().device;
        host("/usr/bin/env", &["mkfs.ext4", "-q", &device]);
        let failure = mounts
            .call(mount(&device, FileSystem::Ext4), &[])
            .unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotPermitted, "{failure}");
        assert!(failure.detail.contains("not private"), "{failure}");
    });
}

#[test]
fn images_of_files_are_mounted_read_only() {
    if !can_attach(&["mkfs.erofs", "mksquashfs"]) {
        return;
    }
    let bench = Bench::new();
    let content = bench.top().join("content");
    fs::create_dir_all(content.join("etc")).unwrap();
    fs::write(content.join("etc/file"), "content").unwrap();
    let (from, image) = (content.to_str().unwrap(), bench.tree().join("image"));
    let image = image.to_str().unwrap();
    for (kind, program, arguments) in [
        (
            FileSystem::Erofs,
            "mkfs.erofs",
            vec!["-Enoinline_data", image, from],
        ),
        (
            FileSystem::Squashfs,
            "mksquashfs",
            vec![from, image, "-quiet", "-no-progress", "-noappend"],
        ),
    ] {
        host("/usr/bin/env", &[&[program], &arguments[..]].concat());
        with_sessions(&bench, |Sessions { mounts, devices }| {
            let attached = devices.attach(attach(&format!("{TREE}/image"))).unwrap();
            let call = Mount {
                read_only: true,
                ..mount(&attached.device, kind)
            };
            let mounted = mounts.call(call, &[]).unwrap();
            let file = bench.top().join("mounts/root/etc/file");
            assert_eq!(fs::read_to_string(&file).unwrap(), "content", "{program}");
            assert!(fs::write(&file, "other").is_err());
            mounts.call(Unmount(mounted.handle), &[]).unwrap();
            assert!(!file.exists());
        });
        fs::remove_file(image).unwrap();
    }
}

#[test]
fn a_superblock_does_not_decide_how_it_is_mounted() {
    if !can_attach(&["mkfs.ext4", "tune2fs", "debugfs"]) {
        return;
    }
    let bench = Bench::new();
    let path = bench.disk("disk.img", 16);
    let image = bench.tree().join("disk.img");
    let image = image.to_str().unwrap();
    host("/usr/bin/env", &["mkfs.ext4", "-q", "-F", image]);
    host("/usr/bin/env", &["tune2fs", "-e", "panic", image]);
    with_sessions(&bench, |Sessions { mounts, devices }| {
        let attached = devices.attach(attach(&path)).unwrap();
        let ext4 = mount(&attached.device, FileSystem::Ext4);
        let mounted = mounts.call(ext4.clone(), &[]).unwrap();
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let line = table.lines().find(|line| line.contains("/mounts/root"));
        // The kernel shows what differs from the superblock.
        assert!(line.unwrap().contains("errors=remount-ro"), "{table}");
        mounts.call(Unmount(mounted.handle), &[]).unwrap();
        for change in [
            &["tune2fs", "-E", "mount_opts=errors=panic"][..],
            &["debugfs", "-w", "-R", "set_super_value journal_dev 7"],
        ] {
            host("/usr/bin/env", &[change, &[&attached.device]].concat());
            let refused = mounts.call(ext4.clone(), &[]).unwrap_err();
            assert_eq!(refused.code, ErrorCode::Denied, "{refused}");
            host(
                "/usr/bin/env",
                &["tune2fs", "-E", "mount_opts=", &attached.device],
            );
        }
    });
}
