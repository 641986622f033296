//! Mounts of a stage.
use crate::failure::{BuildError, Result};
use crate::sandbox::{MOUNTS, Sandbox};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Mount;
use osbuild_wasm_protocol::{FileSystem, Mount as Call, Session};
use serde_json::{Value as Json, json};

/// How messages name the mount.
pub(crate) fn place(mount: &Mount) -> String {
    format!("mount {} ({})", mount.name, mount.module)
}

/// Whether the mount needs the helper.
pub(crate) fn needs_helper(mount: &Mount) -> bool {
    mount.module != "org.osbuild.noop"
}

/// Mounts one file system below the stage's mounts directory; `session` will hold it.
pub(crate) fn mount(mount: &Mount, session: Option<&Session>, sandbox: &mut Sandbox) -> Result<()> {
    let target = contract_target(mount)?;
    if mount.module == "org.osbuild.noop" {
        let directory = sandbox
            .scratch
            .join("mounts")
            .join(target.trim_start_matches(MOUNTS).trim_start_matches('/'));
        std::fs::create_dir_all(&directory).map_err(BuildError::io(&directory))?;
        return finish(mount, &target, sandbox);
    }
    let Some(kind) = file_system(&mount.module) else {
        let reason = format!(
            "mounts of type {} are not supported by this version",
            mount.module
        );
        return Err(BuildError::manifest(place(mount), reason));
    };
    let call = Call {
        device: device_path(mount, sandbox)?,
        partition: partition(mount)?,
        target: target.clone(),
        kind,
        read_only: flag(mount, "readonly")
            || matches!(kind, FileSystem::Squashfs | FileSystem::Erofs),
        options: options(mount),
    };
    let session = session
        .ok_or_else(|| BuildError::manifest(place(mount), "no helper for mounts was started"))?;
    session.mount(call).map_err(|failure| BuildError::Helper {
        place: place(mount),
        failure,
    })?;
    finish(mount, &target, sandbox)
}

fn finish(mount: &Mount, target: &str, sandbox: &mut Sandbox) -> Result<()> {
    let path = if target == MOUNTS {
        format!("{MOUNTS}/.")
    } else {
        target.to_owned()
    };
    sandbox
        .mounts
        .insert(mount.name.clone(), json!({ "path": path }));
    Ok(())
}

fn file_system(module: &str) -> Option<FileSystem> {
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

fn contract_target(mount: &Mount) -> Result<String> {
    let target = mount.target.as_deref().unwrap_or_default();
    if target.split('/').any(|part| part == "..") || target.contains('\0') {
        return Err(BuildError::manifest(
            place(mount),
            "`target` must stay inside of the mounts directory",
        ));
    }
    let parts: Vec<_> = target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    Ok(parts
        .iter()
        .fold(MOUNTS.to_owned(), |path, part| format!("{path}/{part}")))
}

fn device_path(mount: &Mount, sandbox: &Sandbox) -> Result<String> {
    let source = mount.source.as_deref().unwrap_or_default();
    let reply = sandbox
        .device_replies
        .get(source)
        .and_then(|reply| reply["path"].as_str());
    reply
        .map(str::to_owned)
        .ok_or_else(|| BuildError::manifest(place(mount), format!("there is no device {source:?}")))
}

fn partition(mount: &Mount) -> Result<Option<u32>> {
    let Some(number) = mount
        .partition
        .as_ref()
        .filter(|number| number.as_f64() != 0.0)
    else {
        return Ok(None);
    };
    let whole = number.as_u64().or_else(|| {
        Some(number.as_f64())
            .filter(|n| n.fract() == 0.0 && *n > 0.0)
            .map(|n| n as u64)
    });
    let whole = whole.and_then(|number| u32::try_from(number).ok());
    whole
        .map(Some)
        .ok_or_else(|| BuildError::manifest(place(mount), "`partition` must be a whole number"))
}

fn flag(mount: &Mount, name: &str) -> bool {
    mount
        .options
        .get(name)
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// Options that are passed on, in osbuild's order.
fn options(mount: &Mount) -> Vec<String> {
    let mut options = Vec::new();
    if flag(mount, "norecovery") {
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
