//! What tables are made of what is asked for.
use super::super::{
    fstab_stage, kernel_options, label_stage, mount_unit, mount_unit_stages, mounts, tool_packages,
};
use super::*;
use osbuild_wasm_distro::{MountConfiguration, PartitionTool};

#[test]
fn a_root_lies_last_and_takes_what_is_left() {
    let table = Case::default().table();
    assert_eq!(table.size, 10 * GIB);
    let expected = [
        "2048+409600 C12A7328 vfat@/boot/efi",
        "411648+20557824 0FC63DAF xfs@/",
    ];
    assert_eq!(lines(&table), expected);
}

#[test]
fn file_systems_are_added_where_the_root_is() {
    let wanted = [
        ("/", 2 * GIB),
        ("/var", GIB / 8),
        ("/var/log", GIB),
        ("/usr", 4 * GIB),
    ];
    let esp = "2048+409600 C12A7328 vfat@/boot/efi";
    let cases = [
        (
            PartitioningMode::AutoLvm,
            plain(),
            vec![
                esp,
                "411648+2097152 BC13C2FF xfs@/boot",
                "2508800+18460672 E6D6D379 rootvg(rootlv:2048=xfs@/ varlv:1024=xfs@/var var_loglv:1024=xfs@/var/log \
                 usrlv:4096=xfs@/usr)",
            ],
        ),
        (
            PartitioningMode::Raw,
            plain(),
            vec![
                esp,
                "411648+2097152 0FC63DAF xfs@/var",
                "2508800+2097152 0FC63DAF xfs@/var/log",
                "4605952+8388608 0FC63DAF xfs@/usr",
                "12994560+7974912 0FC63DAF xfs@/",
            ],
        ),
        (
            PartitioningMode::Btrfs,
            plain(),
            vec![
                esp,
                "411648+2097152 BC13C2FF ext4@/boot",
                "2508800+18460672 4F68BCE3 btrfs(root:2048=/ var:1024=/var var/log:1024=/var/log usr:4096=/usr)",
            ],
        ),
        (
            PartitioningMode::Lvm,
            dos(),
            vec![
                "2048+2097152  xfs@/boot",
                "2099200+18872320 8e rootvg(rootlv:2048=xfs@/ varlv:1024=xfs@/var var_loglv:1024=xfs@/var/log \
                 usrlv:4096=xfs@/usr)",
            ],
        ),
        (
            PartitioningMode::AutoLvm,
            encrypted(),
            vec![
                "2048+260096 C12A7328 vfat@/boot/efi",
                "262144+786432 BC13C2FF xfs@/boot",
                "1048576+31531008 0FC63DAF luks(rootvg(rootlv:9216=xfs@/ varlv:1024=xfs@/var var_loglv:1024=xfs@/var/log \
                 usrlv:4096=xfs@/usr))",
            ],
        ),
    ];
    for (mode, base, expected) in cases {
        let case = Case {
            base,
            ..Case::file_systems(mode, &wanted)
        };
        assert_eq!(lines(&case.table()), expected, "{mode:?}");
    }
}

#[test]
fn a_disk_is_as_large_as_its_file_systems_together() {
    let table = Case::file_systems(PartitioningMode::Raw, &[("/", 30 * GIB + 1)]).table();
    assert_eq!(
        table.size,
        30 * GIB + 203 * (1 << 20),
        "the root with what is around it"
    );
    let table = Case {
        size: 40 * GIB + 1,
        ..Case::default()
    };
    assert_eq!(
        table.table().size,
        40 * GIB + (1 << 20),
        "what was asked for"
    );
}

#[test]
fn a_described_disk_gets_what_firmware_and_system_need() {
    let volumes = json!([
        {"name": "homelv", "minsize": 2 * GIB, "mountpoint": "/home", "label": "root", "fs_type": "ext4"},
        {"minsize": GIB, "fs_type": "swap"},
    ]);
    let lvm = json!({"type": "dos", "partitions": [
        {"type": "lvm", "minsize": GIB, "logical_volumes": volumes}]});
    let dos = Case::disk(lvm).table();
    let expected = [
        "2048+2048 00 nothing",
        "4096+409600 ef vfat@/boot/efi",
        "413696+2097152 83 xfs@/boot",
        "2510848+12591104 8e vg00(homelv:2048=ext4@/home swaplv:1024=swap rootlv:3072=xfs@/)",
    ];
    assert_eq!(lines(&dos), expected);
    assert_eq!(
        dos.partitions[0].uuid,
        "FAC7F1FB-3E8D-4137-A512-961DE09A5549"
    );

    let btrfs = json!({"partitions": [
        {"type": "plain", "minsize": GIB, "fs_type": "swap"},
        {"type": "btrfs", "minsize": 10 * GIB, "subvolumes": [
            {"name": "root", "mountpoint": "/home"}, {"name": "boot", "mountpoint": "/boot"}]}]});
    let btrfs = Case {
        arch: Arch::Aarch64,
        boot_mode: BootMode::Uefi,
        ..Case::disk(btrfs)
    };
    let expected = [
        "2048+409600 C12A7328 vfat@/boot/efi",
        "411648+2097152 BC13C2FF xfs@/boot",
        "2508800+2097152 0657FD6D swap",
        "4605952+20971520 0FC63DAF btrfs(root:0=/home boot:0=/boot root00:3072=/)",
    ];
    assert_eq!(lines(&btrfs.table()), expected);

    let plain = json!({"minsize": "20 GiB", "start_offset": "8 MiB", "partitions": [
        {"type": "plain", "minsize": GIB, "mountpoint": "/usr", "fs_type": "ext4"}]});
    let plain = Case {
        arch: Arch::Ppc64le,
        boot_mode: BootMode::Legacy,
        ..Case::disk(plain)
    };
    let table = plain.table();
    let expected = [
        "18432+8192 9E1A2D38 nothing",
        "26624+4194304 15BB03AF ext4@/usr",
        "4220928+37720064 C31C45E6 xfs@/",
    ];
    assert_eq!(lines(&table), expected);
    assert_eq!(table.size, 20 * GIB);
}

#[test]
fn identifiers_come_from_the_seed_in_the_order_of_the_tree() {
    let table = |seed| {
        let case = Case {
            base: encrypted(),
            ..Case::default()
        };
        let table = case.make(seed).expect("such a table can be made");
        label_stage(&table, PartitionTool::Sfdisk, "disk.img").expect("a label");
        let mounts: Vec<String> = mounts(&table)
            .iter()
            .map(|mount| mount.uuid.to_owned())
            .collect();
        (mounts, table)
    };
    let (mounts, zero) = table(0);
    let expected = [
        "0194-FDC2",
        "fa2ffcc0-41d3-4f12-845b-73c86e4ff95f",
        "48a79ee0-b10d-4946-9185-0fd4a178892e",
    ];
    assert_eq!(mounts, expected);
    assert_eq!(
        kernel_options(&zero, MountConfiguration::Fstab),
        ["luks.uuid=f662a5ee-e82a-4df4-8a2d-0b75fb180daf"]
    );
    assert_eq!(
        zero.partitions[0].uuid,
        "e285ece1-5114-4578-8875-d64ee2d3d0d0"
    );
    assert_eq!(zero.uuid, "D209C89E-EA5E-4FBD-B161-B461CCE297E0");
    let (mounts, _) = table(42);
    assert_eq!(
        mounts[..2],
        ["538C-7F96", "b164bf1b-97bb-4f4b-b472-e89f5b1484f2"]
    );
}

#[test]
fn sgdisk_gets_small_letters_and_no_dos_label() {
    let case = Case {
        base: encrypted(),
        ..Case::default()
    };
    let stage = label_stage(&case.table(), PartitionTool::Sgdisk, "disk.img").expect("a label");
    let options = stage.options().expect("options");
    assert_eq!(options["uuid"], "d209c89e-ea5e-4fbd-b161-b461cce297e0");
    assert_eq!(options.get("label"), None);
    let case = Case {
        base: dos(),
        ..Case::default()
    };
    let error = label_stage(&case.table(), PartitionTool::Sgdisk, "disk.img");
    assert!(error.is_err(), "{error:?}");
}

#[test]
fn a_system_finds_its_file_systems_by_fstab_or_by_units() {
    let table = Case {
        mode: PartitioningMode::Btrfs,
        ..Case::file_systems(PartitioningMode::Btrfs, &[("/var/my-data", GIB)])
    }
    .table();
    let fstab = fstab_stage(&table).expect("a stage");
    let fstab = fstab.options().expect("options")["filesystems"].clone();
    let line = |index: usize| {
        (
            fstab[index]["path"].clone(),
            fstab[index]["options"].clone(),
        )
    };
    assert_eq!(line(0), (json!("/"), json!("subvol=root,compress=zstd:1")));
    assert_eq!(line(1), (json!("/boot"), json!("defaults")));
    assert_eq!(
        line(2),
        (
            json!("/var/my-data"),
            json!("subvol=var/my-data,compress=zstd:1")
        )
    );
    assert_eq!(fstab[3]["passno"], 2);
    let units: Vec<Value> = mount_unit_stages(&table)
        .iter()
        .map(|stage| stage.options().expect("options").clone())
        .collect();
    let names = json!([
        "-.mount",
        "boot-efi.mount",
        "boot.mount",
        "var-my\\x2ddata.mount"
    ]);
    assert_eq!(units[4], json!({"enabled_services": names}));
    assert_eq!(units[3]["config"]["Mount"]["Where"], "/var/my-data");
    let options = kernel_options(&table, MountConfiguration::Units);
    assert_eq!(options, ["rootflags=subvol=root"]);
    assert_eq!(
        tool_packages(&table),
        ["btrfs-progs", "dosfstools", "e2fsprogs"]
    );
}

#[test]
fn units_have_the_names_that_systemd_gives_them() {
    let cases = [
        ("/", "-.mount"),
        ("/boot/efi", "boot-efi.mount"),
        ("/srv/my-data", "srv-my\\x2ddata.mount"),
        ("/.hidden/a.b", "\\x2ehidden-a.b.mount"),
        ("/a+b c", "a\\x2bb\\x20c.mount"),
        ("/caf\u{e9}", "caf\\xc3\\xa9.mount"),
    ];
    for (path, expected) in cases {
        assert_eq!(mount_unit(path), expected);
    }
    let partitions = json!([
        {"type": "plain", "minsize": GIB, "fs_type": "swap"},
        {"type": "plain", "minsize": GIB, "fs_type": "xfs", "mountpoint": "/50%"},
    ]);
    let units = mount_unit_stages(&Case::disk(json!({"partitions": partitions})).table());
    let uuid = "6e4ff95f\\x2df662\\x2d45ee\\x2da82a\\x2dbdf44a2d0b75";
    let names: Vec<_> = units
        .iter()
        .filter_map(|stage| stage.options()?["filename"].as_str())
        .collect();
    assert_eq!(names[1], "50\\x25.mount");
    let text = |index: usize| units[index].options().map(ToString::to_string);
    assert!(text(1).is_some_and(|text| text.contains("\"/50%%\"")));
    assert_eq!(names[3], format!("dev-disk-by\\x2duuid-{uuid}.swap"));
}
