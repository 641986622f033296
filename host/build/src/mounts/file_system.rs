//! File systems: `org.osbuild.ext4`, `xfs`, `btrfs`, `fat`, `erofs`, `squashfs`.
use super::{device_path, flag, is_made_from_directory, place, target};
use crate::devices::open_partition;
use crate::failure::{BuildError, Result};
use crate::file_systems::{Beginning, Key, Staged};
use crate::leases::{Leases, refused};
use crate::sandbox::{Once, Sandbox};
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{FileSystem, Mount as Call, MountDirectory, Session};
use rustix::fd::AsFd;
use serde_json::Value as Json;

/// The kind of file system of a type of mounts.
pub(super) fn kind(module: &str) -> Option<FileSystem> {
    Some(match module {
        "org.osbuild.ext4" => FileSystem::Ext4,
        "org.osbuild.xfs" => FileSystem::Xfs,
        "org.osbuild.btrfs" => FileSystem::Btrfs,
        "org.osbuild.fat" => FileSystem::Vfat,
        "org.osbuild.erofs" => FileSystem::Erofs,
        "org.osbuild.squashfs" => FileSystem::Squashfs,
        _ => return None,
    })
}

/// What is to be mounted. A partition of a device that a file stands for is opened for it.
pub(super) fn prepare(
    mount: &Mount,
    kind: FileSystem,
    leases: &mut Leases,
    sandbox: &mut Sandbox,
) -> Result<Call> {
    let mut call = call(mount, kind, device_path(mount, sandbox)?)?;
    if let (Some(number), true) = (call.partition, sandbox.parts.contains_key(&call.device)) {
        let of_mount = (&*place(mount), &*mount.module, number);
        call.device = open_partition(&call.device, of_mount, leases, sandbox)?;
        call.partition = None;
    }
    Ok(call)
}

/// Mounts it and returns where.
pub(super) fn mount(
    mount: &Mount,
    call: Call,
    session: &Session,
    sandbox: &Sandbox,
) -> Result<String> {
    if let (Some(part), true) = (
        sandbox.parts.get(&call.device),
        is_made_from_directory(&mount.module),
    ) {
        return mount_directory(mount, *part, call, session, sandbox);
    }
    let mounted = session.call(call, &[]).map_err(refused(&place(mount)))?;
    Ok(mounted.path)
}

/// Mounts the directory that stands for the file system.
fn mount_directory(
    mount: &Mount,
    part: (Key, Beginning),
    call: Call,
    session: &Session,
    sandbox: &Sandbox,
) -> Result<String> {
    let file_systems = sandbox.file_systems.as_ref();
    let staged = file_systems.map(|all| all.staged(part, call.kind, &call.device, &place(mount)));
    let missing = || BuildError::manifest(place(mount), "there are no loop devices here");
    let Staged { directory, make } = staged.ok_or_else(missing)??;
    let call = MountDirectory {
        make,
        device: call.device,
        target: call.target,
        kind: call.kind,
        read_only: call.read_only,
    };
    let directory = Once::new(directory).open()?;
    let mounted = session.call(call, &[directory.as_fd()]);
    Ok(mounted.map_err(refused(&place(mount)))?.path)
}

fn call(mount: &Mount, kind: FileSystem, device: String) -> Result<Call> {
    let images = matches!(kind, FileSystem::Squashfs | FileSystem::Erofs);
    Ok(Call {
        device,
        partition: partition(mount)?,
        target: target(mount)?,
        kind,
        read_only: images || flag(mount, "readonly", false),
        options: options(mount),
    })
}

fn partition(mount: &Mount) -> Result<Option<u32>> {
    let Some(number) = mount
        .partition
        .as_ref()
        .filter(|number| number.as_f64() != 0.0)
    else {
        return Ok(None);
    };
    let wrong = || BuildError::manifest(place(mount), "`partition` must be a whole number");
    let whole = number.as_whole().and_then(|number| number.try_into().ok());
    whole.map(Some).ok_or_else(wrong)
}

/// Options that are passed on, in osbuild's order.
fn options(mount: &Mount) -> Vec<String> {
    let mut options = Vec::new();
    if flag(mount, "norecovery", false) {
        options.push("norecovery".to_owned());
    }
    for name in ["uid", "gid", "umask", "shortname", "subvol", "compress"] {
        match mount.options.get(name).map(Json::from) {
            Some(Json::String(text)) => options.push(format!("{name}={text}")),
            Some(Json::Number(number)) => options.push(format!("{name}={number}")),
            _ => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::tests::mount_of;
    use serde_json::json;

    fn of(module: &str, options: Json) -> Call {
        let mount = mount_of(module, "/boot/efi", options);
        call(&mount, kind(module).unwrap(), "/dev/loop0".into()).unwrap()
    }

    #[test]
    fn options_reach_the_kernel() {
        let fat =
            json!({"readonly": true, "uid": 1, "gid": 2, "umask": "077", "shortname": "winnt"});
        let call = of("org.osbuild.fat", fat);
        assert!(call.read_only);
        assert_eq!(
            call.options,
            ["uid=1", "gid=2", "umask=077", "shortname=winnt"]
        );
        let btrfs = json!({"subvol": "root", "compress": "zstd:1", "norecovery": true});
        let call = of("org.osbuild.btrfs", btrfs);
        assert_eq!(
            call.options,
            ["norecovery", "subvol=root", "compress=zstd:1"]
        );
        assert!(!call.read_only);
    }

    #[test]
    fn images_are_always_read_only() {
        assert!(of("org.osbuild.erofs", json!({})).read_only);
        assert!(of("org.osbuild.squashfs", json!({})).read_only);
    }

    #[test]
    fn partition_0_is_the_whole_device() {
        let of = |number: Json| {
            let mut mount = mount_of("org.osbuild.ext4", "/", json!({}));
            mount.partition = match number.into() {
                osbuild_wasm_manifest::json::Value::Number(number) => Some(number),
                _ => None,
            };
            partition(&mount).ok()
        };
        assert_eq!(of(json!(0)), Some(None));
        assert_eq!(of(json!(2)), Some(Some(2)));
        assert_eq!(of(json!(1.0)), Some(Some(1)));
        assert_eq!(of(json!(1.5)), None);
        assert_eq!(of(json!(-1)), None);
    }
}
