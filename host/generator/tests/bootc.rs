//! Disks of bootable containers, from the facts about a container to stages.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
use osbuild_wasm_blueprint::Blueprint;
use osbuild_wasm_distro::{Definitions, ImageType};
use osbuild_wasm_generator::mock::Document;
use serde_json::{Value, json};

const GIB: u64 = 1 << 30;

/// A type with the partitions of a machine with UEFI.
fn image_type() -> ImageType {
    let file_system = |kind: &str, label: &str, mountpoint: &str, options: &str| {
        json!({
            "payload_type": "filesystem",
            "type": kind,
            "label": label,
            "mountpoint": mountpoint,
            "fstab_options": options,
        })
    };
    serde_json::from_value(json!({
        "name": "raw",
        "filename": "disk.raw",
        "mime_type": "application/octet-stream",
        "kind": "bootc_disk",
        "exports": ["image"],
        "default_size": GIB,
        "platform": {"qcow2_compat": "1.1"},
        "partition_table": {"type": "gpt", "partitions": [
            {"type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "size": 512 << 20,
             "payload": file_system("vfat", "EFI-SYSTEM", "/boot/efi", "umask=0077")},
            {"type": "BC13C2FF-59E6-4262-A352-B275FD6F7172", "size": GIB,
             "payload": file_system("ext4", "boot", "/boot", "ro")},
            {"type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "size": GIB,
             "payload": file_system("", "root", "/", "ro")},
        ]},
        "image_config": {"kernel_options": ["rw"], "mount_configuration": "units"},
    }))
    .unwrap()
}

/// The stages of the image of a container, with these facts and this request beside the usual ones.
fn image(facts: Value, request: Value) -> Result<Vec<Value>, String> {
    let mut info = json!({
        "Imgref": "registry.example/os",
        "OSInfo": {"OSRelease": {"ID": "os", "VersionID": "1"}},
        "Arch": "x86_64",
        "DefaultRootFs": "ext4",
        "Size": 3 * GIB,
    });
    merge(&mut info, facts);
    let mut document = json!({
        "distro": "bootc-os-1",
        "arch": "x86_64",
        "image_type": "raw",
        "solver": {"use_root_dir": true},
        "bootc": info,
    });
    merge(&mut document, request);
    let document: Document = serde_json::from_value(document).unwrap();
    let blueprint: Blueprint = match &document.blueprint {
        Value::Null => Blueprint::default(),
        blueprint => serde_json::from_value(blueprint.clone()).unwrap(),
    };
    // What the distribution is called has no part in a disk.
    let distro = Definitions::embedded().distro("fedora-43").unwrap();
    let manifest = document
        .manifest(&distro, &image_type(), &blueprint)
        .map_err(|error| error.to_string())?;
    let pipelines = manifest["pipelines"].as_array().unwrap();
    let found = pipelines.iter().find(|found| found["name"] == "image");
    Ok(found.unwrap()["stages"].as_array().unwrap().clone())
}

fn merge(into: &mut Value, more: Value) {
    for (key, value) in more.as_object().unwrap() {
        into[key] = value.clone();
    }
}

fn of_kind<'a>(stages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    stages
        .iter()
        .filter(|stage| stage["type"] == format!("org.osbuild.{kind}"))
        .collect()
}

fn customized(customizations: Value) -> Value {
    json!({"blueprint": {"customizations": customizations}})
}

#[test]
fn a_root_has_room_for_the_container_twice_and_verifies_files_where_it_can() {
    for (kind, stage, verity) in [
        ("ext4", "mkfs.ext4", Some(true)),
        ("xfs", "mkfs.xfs", None),
        ("btrfs", "mkfs.btrfs", None),
    ] {
        let stages = image(json!({"DefaultRootFs": kind}), json!({})).unwrap();
        let partitions = &of_kind(&stages, "sfdisk")[0]["options"]["partitions"];
        let root = partitions.as_array().unwrap().last().unwrap();
        assert_eq!(root["size"].as_u64().unwrap() * 512, 6 * GIB, "{kind}");
        let made = of_kind(&stages, stage);
        let root = &made.last().unwrap()["options"];
        assert_eq!(root["label"], "root");
        assert_eq!(
            root.get("verity").and_then(Value::as_bool),
            verity,
            "{kind}"
        );
        let mount = &of_kind(&stages, "bootc.install-to-filesystem")[0]["mounts"][0];
        assert_eq!(mount["type"], format!("org.osbuild.{kind}"));
        assert_eq!(
            (&mount["source"], &mount["partition"]),
            (&json!("disk"), &json!(3))
        );
        assert_eq!(mount.pointer("/options/subvol").is_some(), kind == "btrfs");
    }
}

#[test]
fn volumes_are_reached_through_their_partition() {
    let volume = json!({"name": "rootlv", "mountpoint": "/", "minsize": GIB, "fs_type": "xfs"});
    let group = json!({"type": "lvm", "name": "vg", "minsize": GIB, "logical_volumes": [volume]});
    let disk = customized(json!({"disk": {"partitions": [group]}}));
    let stages = image(json!({}), disk).unwrap();
    let install = of_kind(&stages, "bootc.install-to-filesystem")[0];
    let number = install["mounts"][0]["source"].as_str().unwrap();
    let device = &install["devices"][number];
    assert_eq!(device["type"], "org.osbuild.lvm2.lv");
    assert_eq!(device["parent"], "disk");
    let partitions = of_kind(&stages, "sfdisk")[0]["options"]["partitions"].clone();
    let group = partitions
        .as_array()
        .unwrap()
        .iter()
        .position(|partition| partition["type"] == "E6D6D379-F507-44C2-A23C-238F2A3DF928")
        .unwrap();
    assert_eq!(
        device["options"],
        json!({"volume": "rootlv", "vg_partnum": group + 1})
    );
    assert_eq!(install["devices"]["disk"]["options"]["partscan"], true);
}

#[test]
fn what_changes_an_installed_container_is_done_in_its_deployment_and_labelled() {
    let changes = customized(json!({
        "user": [{"name": "ada", "groups": ["wheel"]}],
        "files": [{"path": "/etc/f", "data": "text"}],
        "kernel": {"append": "debug"},
        "bootloader": {"grub2": {"terminal_output": ["serial"]}},
    }));
    let stages = image(json!({}), changes).unwrap();
    let install = of_kind(&stages, "bootc.install-to-filesystem")[0];
    assert_eq!(install["options"]["kernel-args"], json!(["rw", "debug"]));
    let after = stages.iter().position(|stage| stage == install).unwrap() + 1;
    let kinds: Vec<&str> = stages[after..]
        .iter()
        .map(|stage| stage["type"].as_str().unwrap())
        .collect();
    let units = ["systemd.unit.create"; 3];
    let expected = [
        &units[..],
        &[
            "systemd", "mkdir", "users", "copy", "grub2.d", "selinux", "selinux",
        ],
    ]
    .concat();
    let expected: Vec<String> = expected
        .iter()
        .map(|kind| format!("org.osbuild.{kind}"))
        .collect();
    assert_eq!(kinds, expected);
    for stage in &stages[after..] {
        let mounts = stage["mounts"].as_array().unwrap();
        assert_eq!(mounts.last().unwrap()["target"], "tree://", "{stage}");
    }
    let labelled: Vec<&Value> = of_kind(&stages, "selinux")
        .iter()
        .map(|stage| &stage["options"]["target"])
        .collect();
    assert_eq!(labelled, [&json!("tree:///etc"), &json!("tree:///var")]);
}

#[test]
fn a_request_without_customizations_has_those_that_the_container_brings() {
    let brought = json!({"OSInfo": {
        "OSRelease": {"ID": "os", "VersionID": "1"},
        "ImageCustomization": {"group": [{"name": "brought"}]},
    }});
    let groups = |request: Value| {
        let stages = image(brought.clone(), request).unwrap();
        of_kind(&stages, "groups")[0]["options"]["groups"].clone()
    };
    assert_eq!(groups(json!({})), json!({"brought": {}}));
    let asked = customized(json!({"group": [{"name": "asked"}]}));
    assert_eq!(groups(asked), json!({"asked": {}}));
}

#[test]
fn a_sealed_system_takes_no_changes() {
    let sealed = json!({"UnifiedKernel": true});
    let stages = image(sealed.clone(), json!({})).unwrap();
    assert_eq!(
        stages.last().unwrap()["type"],
        "org.osbuild.bootc.install-to-filesystem"
    );
    let changes = customized(json!({"group": [{"name": "staff"}]}));
    let error = image(sealed, changes).unwrap_err();
    assert!(error.contains("unified kernel"), "{error}");
}

#[test]
fn facts_that_are_missing_are_named() {
    let error = image(json!({"Size": 0, "DefaultRootFs": ""}), json!({})).unwrap_err();
    assert_eq!(
        error,
        "failed to initialize bootc distro: missing required info: DefaultRootFs, Size"
    );
}
