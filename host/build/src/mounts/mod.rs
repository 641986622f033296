//! Mounts of a stage.
mod bind;
mod ddi;
mod deployment;
mod file_system;

use crate::failure::{BuildError, Result};
use crate::leases::{Helpers, Leases};
use crate::sandbox::{MOUNTS, Sandbox};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{FileSystem, Interface};
use serde_json::json;

/// How messages name the mount.
fn place(mount: &Mount) -> String {
    format!("mount {} ({})", mount.name, mount.module)
}

/// The helpers that mounts of a type need.
pub(crate) fn interfaces(module: &str) -> &'static [Interface] {
    match module {
        "org.osbuild.ddi" => &[Interface::Ddi],
        // `ostree` tells the commit of a ref.
        "org.osbuild.ostree.deployment" => &[Interface::Mount, Interface::Command],
        "org.osbuild.bind" => &[Interface::Mount],
        module if file_system::kind(module).is_some() => &[Interface::Mount],
        _ => &[],
    }
}

/// Programs that helpers may run for mounts of a type: instead of the kernel (mtools), or to make a file system without loop devices.
pub(crate) fn programs(module: &str) -> &'static [&'static str] {
    match module {
        "org.osbuild.ddi" => &["systemd-dissect"],
        "org.osbuild.ostree.deployment" => &["ostree"],
        module => match file_system::kind(module) {
            Some(FileSystem::Vfat) => &["mcopy", "mdel", "mdeltree", "mdir"],
            Some(FileSystem::Ext4) => &["mkfs.ext4", "debugfs"],
            Some(FileSystem::Btrfs) => &["mkfs.btrfs"],
            Some(FileSystem::Xfs) => &["mkfs.xfs", "xfs_db"],
            _ => &[],
        },
    }
}

/// Whether mounts of a type are of file systems that can be made from a directory.
pub(crate) fn is_made_from_directory(module: &str) -> bool {
    file_system::kind(module).is_some_and(is_kind_made_from_directory)
}

/// Whether file systems of a kind can be made from a directory.
pub(crate) fn is_kind_made_from_directory(kind: FileSystem) -> bool {
    matches!(kind, FileSystem::Ext4 | FileSystem::Btrfs | FileSystem::Xfs)
}

/// Mounts of file systems on devices, for messages.
pub(crate) const BLOCK: &str = "to mount block devices";

/// What only root of the machine has of what mounts of a type need.
pub(crate) fn of_machine(module: &str) -> Option<&'static str> {
    (module == "org.osbuild.ddi" || file_system::kind(module).is_some()).then_some(BLOCK)
}

/// Makes one mount; `leases` keeps it.
pub(crate) fn mount(
    mount: &Mount,
    helpers: Helpers<'_>,
    leases: &mut Leases,
    sandbox: &mut Sandbox,
) -> Result<()> {
    let call = match file_system::kind(&mount.module) {
        Some(kind) => Some(file_system::prepare(mount, kind, leases, sandbox)?),
        None => None,
    };
    let begin = |interface| helpers.begin(interface, &sandbox.helper_grant()?, &place(mount));
    let (session, path) = match mount.module.as_str() {
        "org.osbuild.noop" => (None, Some(noop(mount, sandbox)?)),
        "org.osbuild.bind" => {
            let session = begin(Interface::Mount)?;
            bind::mount(mount, &session, sandbox)?;
            (Some(session), None)
        }
        "org.osbuild.ostree.deployment" => {
            let session = begin(Interface::Mount)?;
            deployment::mount(mount, &session, helpers, sandbox)?;
            (Some(session), None)
        }
        "org.osbuild.ddi" => {
            let session = begin(Interface::Ddi)?;
            let target = ddi::mount(mount, &session, sandbox)?;
            (Some(session), Some(target))
        }
        module => {
            let Some(call) = call else {
                let reason = format!("there is no mount of type {module}");
                return Err(BuildError::manifest(place(mount), reason));
            };
            let session = begin(Interface::Mount)?;
            let target = file_system::mount(mount, call, &session, sandbox)?;
            (Some(session), Some(target))
        }
    };
    if let Some(session) = session {
        leases.keep(place(mount), session);
    }
    sandbox.mounts.insert(mount.name.clone(), reply(path));
    Ok(())
}

/// What the stage is told: where, unless the mount is a change of the tree itself.
fn reply(path: Option<String>) -> serde_json::Value {
    match path {
        None => json!({}),
        Some(path) if path == MOUNTS => json!({ "path": format!("{MOUNTS}/.") }),
        Some(path) => json!({ "path": path }),
    }
}

/// `org.osbuild.noop`: just the directory.
fn noop(mount: &Mount, sandbox: &Sandbox) -> Result<String> {
    let target = target(mount)?;
    let below = target.strip_prefix(MOUNTS).unwrap_or_default();
    let directory = sandbox
        .scratch
        .join("mounts")
        .join(below.trim_start_matches('/'));
    std::fs::create_dir_all(&directory).map_err(BuildError::io(&directory))?;
    Ok(target)
}

/// Contract path of the target, below the mounts.
fn target(mount: &Mount) -> Result<String> {
    let target = mount.target.as_deref().unwrap_or_default();
    below(MOUNTS, target).ok_or_else(|| {
        let reason = "`target` must stay inside of the mounts directory";
        BuildError::manifest(place(mount), reason)
    })
}

/// A path below a directory of the contract; none when it leads out of it.
fn below(directory: &str, path: &str) -> Option<String> {
    let mut result = directory.to_owned();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." || part.contains('\0') {
            return None;
        }
        result.push('/');
        result.push_str(part);
    }
    Some(result)
}

/// Contract path of the device that the mount names.
fn device_path(mount: &Mount, sandbox: &Sandbox) -> Result<String> {
    let source = mount.source.as_deref().unwrap_or_default();
    let reply = sandbox
        .device_replies
        .get(source)
        .and_then(|reply| reply["path"].as_str());
    let missing = || BuildError::manifest(place(mount), format!("there is no device {source:?}"));
    reply.map(str::to_owned).ok_or_else(missing)
}

fn flag(mount: &Mount, name: &str, default: bool) -> bool {
    let value = mount.options.get(name).and_then(Value::as_bool);
    value.unwrap_or(default)
}

fn text<'a>(mount: &'a Mount, name: &str) -> Option<&'a str> {
    mount.options.get(name).and_then(Value::as_str)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A mount of a manifest.
    pub(crate) fn mount_of(module: &str, target: &str, options: serde_json::Value) -> Mount {
        Mount {
            name: "root".into(),
            module: module.into(),
            source: Some("disk".into()),
            target: Some(target.into()),
            partition: None,
            options: options.into(),
            id: String::new(),
        }
    }

    #[test]
    fn targets_stay_below_the_mounts() {
        let of = |path| target(&mount_of("org.osbuild.ext4", path, json!({}))).ok();
        assert_eq!(of("/").as_deref(), Some(MOUNTS));
        assert_eq!(
            of("/boot//efi/.").as_deref(),
            Some("/run/osbuild/mounts/boot/efi")
        );
        assert_eq!(of("boot").as_deref(), Some("/run/osbuild/mounts/boot"));
        assert_eq!(of("/boot/../.."), None);
    }

    #[test]
    fn the_root_of_the_mounts_is_told_as_its_content() {
        assert_eq!(
            reply(Some(MOUNTS.into())),
            json!({"path": "/run/osbuild/mounts/."})
        );
        assert_eq!(reply(None), json!({}));
    }

    #[test]
    fn each_type_has_its_helpers() {
        assert_eq!(interfaces("org.osbuild.fat"), [Interface::Mount]);
        assert_eq!(interfaces("org.osbuild.ddi"), [Interface::Ddi]);
        assert!(interfaces("org.osbuild.noop").is_empty());
    }
}
