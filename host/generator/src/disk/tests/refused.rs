//! What tables are refused, and why.
use super::*;

#[test]
fn what_cannot_be_made_is_refused() {
    let lvm = json!({"type": "gpt", "partitions": [{"type": "x", "payload": {
        "payload_type": "lvm", "name": "vg", "logical_volumes": []}}]});
    let no_boot = {
        let mut base = plain();
        base["policy"] = json!({"ensure_xbootldr": false});
        base
    };
    let mut on_luks = encrypted();
    on_luks["partitions"][2]["payload"]["payload"] =
        json!({"payload_type": "filesystem", "type": "xfs", "mountpoint": "/"});
    let huge = i64::MAX.unsigned_abs();
    let more = [("/a", GIB), ("/b", GIB), ("/c", GIB), ("/d", GIB)];
    let five: Vec<Value> = ["/a", "/b", "/c"]
        .iter()
        .map(|path| json!({"type": "plain", "minsize": GIB, "mountpoint": path, "fs_type": "xfs"}))
        .collect();
    let unnamed = json!({"partitions": [
        {"type": "plain", "minsize": GIB, "mountpoint": "/data"}]});
    let cases = [
        (
            Case {
                base: lvm,
                ..Case::file_systems(PartitioningMode::Raw, &[])
            },
            "raw partitioning mode set for a base partition table with LVM, this is unsupported",
        ),
        (
            Case {
                base: no_boot,
                ..Case::file_systems(PartitioningMode::Lvm, &[])
            },
            "LVM partition table without /boot and policy says to not create one: manually create /boot",
        ),
        (
            Case {
                base: on_luks,
                ..Case::file_systems(PartitioningMode::Lvm, &[])
            },
            "Unsupported parent for LVM",
        ),
        (
            Case {
                base: dos(),
                ..Case::file_systems(PartitioningMode::Raw, &more)
            },
            "failed creating volume: maximum number of partitions reached (4)",
        ),
        (
            Case::disk(json!({"type": "dos", "partitions": five})),
            "invalid partition table: \"dos\" partition table type only supports up to 4 partitions: got 6 after creating \
             the partition table with all necessary partitions",
        ),
        (
            Case {
                default_fs: "",
                ..Case::disk(unnamed)
            },
            "no filesystem type defined and no default set",
        ),
        (
            Case::file_systems(PartitioningMode::Raw, &[("/", huge), ("/srv", huge)]),
            "the disk would have 18446744073709551615 bytes, which is more than a file can have: ask for less",
        ),
    ];
    for (case, expected) in cases {
        let error = case.make(0).expect_err(expected);
        assert_eq!(
            error,
            format!("error generating partition table: {expected}")
        );
    }
}

#[test]
fn what_stages_would_take_for_something_else_is_refused() {
    let volume = |name: Value, path: &str| json!([{"name": name, "minsize": GIB, "mountpoint": path, "fs_type": "ext4"}]);
    let group = |name: &str, volumes: Value| {
        Case::disk(json!({"partitions": [
            {"type": "lvm", "name": name, "minsize": GIB, "logical_volumes": volumes}]}))
    };
    let subvolume = |name: &str| {
        Case::disk(
            json!({"partitions": [{"type": "btrfs", "minsize": GIB, "subvolumes": [
            {"name": name, "mountpoint": "/"}]}]}),
        )
    };
    let sized = Case::file_systems(PartitioningMode::Lvm, &[("/my data", GIB)]);
    let large = Case {
        base: dos(),
        size: 3 << 40,
        ..Case::default()
    };
    let empty = Case::disk(json!({"partitions": [
        {"type": "plain", "minsize": 0, "mountpoint": "/data", "fs_type": "xfs"}]}));
    let cases = [
        (
            group("boot", volume(json!("a"), "/")),
            "two devices of the disk would be called \"boot\"",
        ),
        (
            group("device", volume(json!("a"), "/")),
            "two devices of the disk would be called \"device\"",
        ),
        (
            Case {
                required: &[],
                ..group("vg", volume(json!("a"), "/home"))
            },
            "logical volume \"rootlv\" has no size",
        ),
        (
            group("vg", volume(Value::Null, "/a b")),
            "logical volume \"a blv\" has a name",
        ),
        (sized, "logical volume \"my datalv\" has a name"),
        (subvolume("root,dev"), "subvolume \"root,dev\" has a comma"),
        (
            subvolume("root init=/bin/sh"),
            "subvolume \"root init=/bin/sh\" has a comma",
        ),
        (
            subvolume("a/../.."),
            "subvolume \"a/../..\" has a comma, a blank or `..`",
        ),
        (large, "the disk has 6442450944 sectors"),
        (empty, "partition 3 has no size"),
    ];
    for (case, expected) in cases {
        let error = case.make(0).expect_err(expected);
        let expected = format!("error generating partition table: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
    let plain = json!({"partitions": [
        {"type": "plain", "minsize": GIB, "mountpoint": "/device", "fs_type": "xfs"}]});
    Case::disk(plain).table();
}
