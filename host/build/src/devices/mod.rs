//! Devices of a stage.
mod loopback;
mod luks2;
mod lvm2;
mod part;
mod partitions;
mod table;

use crate::failure::{BuildError, Result};
use crate::leases::{Helpers, Leases};
use crate::sandbox::Sandbox;
use crate::sectors::{PARTITIONERS, USUAL};
use crate::without_devices::Devices;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Device, Mount, Stage};
use osbuild_wasm_protocol::{Attach, Interface, Session};
pub(crate) use part::{Part, Use, contract, reopen_image};
use serde_json::Value as Json;

/// How messages name the device.
fn place(device: &Device) -> String {
    format!("device {} ({})", device.name, device.module)
}

/// The helper that opens devices of a type, if the type is known.
pub(crate) fn interface(module: &str) -> Option<Interface> {
    Some(match module {
        "org.osbuild.loopback" => Interface::Loopback,
        "org.osbuild.luks2" => Interface::Crypt,
        "org.osbuild.lvm2.lv" => Interface::Lvm,
        _ => return None,
    })
}

/// Programs that helpers may run for devices of a type.
pub(crate) fn programs(module: &str) -> &'static [&'static str] {
    match module {
        "org.osbuild.loopback" => &["partx"],
        "org.osbuild.luks2" => &["cryptsetup"],
        "org.osbuild.lvm2.lv" => &["partx", "pvdisplay", "lvchange"],
        _ => &[],
    }
}

/// Loop devices, for messages.
pub(crate) const LOOP: &str = "loop devices";

/// The kernel's mapper of devices, for messages.
pub(crate) const MAPPER: &str = "the device mapper";

/// What only root of the machine has of what devices of a type need.
pub(crate) fn of_machine(module: &str) -> Option<&'static str> {
    match interface(module)? {
        Interface::Loopback => Some(LOOP),
        _ => Some(MAPPER),
    }
}

/// Opens one device and grants its nodes to the stage. `leases` keeps it open.
pub(crate) fn open(
    stage: &Stage,
    device: &Device,
    helpers: Helpers<'_>,
    leases: &mut Leases,
    sandbox: &mut Sandbox,
) -> Result<()> {
    let Some(interface) = interface(&device.module) else {
        let reason = format!("there is no device of type {}", device.module);
        return Err(BuildError::manifest(place(device), reason));
    };
    if interface == Interface::Loopback && helpers.settings.devices == Devices::None {
        let attach = loopback::attachment(device)?;
        let part = part::open(&attach, use_of(stage, device, &attach), sandbox);
        let wrong =
            |error| BuildError::manifest(place(device), format!("{}: {error}", attach.path));
        let (part, contract) = part.map_err(wrong)?;
        leases.keep_part(place(device), part);
        if attach.partition_scan {
            sandbox.scanned.insert(contract.clone(), attach);
        }
        let reply = serde_json::json!({ "path": contract });
        sandbox.device_replies.insert(device.name.clone(), reply);
        return Ok(());
    }
    let session = helpers.begin(interface, &sandbox.helper_grant()?, &place(device))?;
    let reply = open_with(device, interface, &session, sandbox)?;
    leases.keep(place(device), session);
    sandbox.device_replies.insert(device.name.clone(), reply);
    Ok(())
}

/// Opens a partition of a device that a file stands for and returns its contract path, which is that of the kernel's nodes.
pub(crate) fn open_partition(
    device: &str,
    (place, module, number): (&str, &str, u32),
    leases: &mut Leases,
    sandbox: &mut Sandbox,
) -> Result<String> {
    let wrong = |reason: String| BuildError::manifest(place, reason);
    let missing = || {
        let text = format!(
            "there is no partition {number}: was the device attached with a partition scan, and is there a partition table?"
        );
        wrong(text)
    };
    let attach = sandbox.scanned.get(device).cloned().ok_or_else(missing)?;
    let of = match crate::mounts::is_made_from_directory(module) {
        true => Use::Directory,
        false => Use::Bytes,
    };
    let opened = part::open_partition(&attach, number, of, (device, sandbox));
    let opened = opened.map_err(|error| wrong(format!("partition {number}: {error}")))?;
    let (part, contract) = opened.ok_or_else(missing)?;
    leases.keep_part(place.to_owned(), part);
    Ok(contract)
}

/// What the stage does with a part of an image.
fn use_of(stage: &Stage, device: &Device, attach: &Attach) -> Use {
    if attach.sector_size != USUAL && PARTITIONERS.contains(&stage.module.as_str()) {
        return Use::Table;
    }
    let mounts = stage.mounts.iter();
    let is_whole = |mount: &&Mount| !mount.partition.as_ref().is_some_and(|n| n.as_f64() != 0.0);
    let mut of_device = mounts
        .filter(|mount| mount.source.as_deref() == Some(&device.name))
        .filter(is_whole);
    match of_device.any(|mount| crate::mounts::is_made_from_directory(&mount.module)) {
        true => Use::Directory,
        false => Use::Bytes,
    }
}

fn open_with(
    device: &Device,
    interface: Interface,
    session: &Session,
    sandbox: &mut Sandbox,
) -> Result<Json> {
    match interface {
        Interface::Crypt => luks2::open(device, session, sandbox),
        Interface::Lvm => lvm2::open(device, session, sandbox),
        _ => loopback::open(device, session, sandbox),
    }
}

/// Contract path of the device that this one lies on.
fn parent(device: &Device, sandbox: &Sandbox) -> Result<String> {
    let Some(name) = &device.parent else {
        return Err(BuildError::manifest(
            place(device),
            "it needs a `parent`: the device that it lies on",
        ));
    };
    let path = sandbox
        .device_replies
        .get(name)
        .and_then(|reply| reply["path"].as_str());
    let missing =
        || BuildError::manifest(place(device), format!("its parent {name:?} is not open"));
    path.map(str::to_owned).ok_or_else(missing)
}

/// A string of the options.
fn text<'a>(device: &'a Device, name: &str) -> Result<&'a str> {
    let value = device.options.get(name).and_then(Value::as_str);
    let missing =
        || BuildError::manifest(place(device), format!("option `{name}` must be a string"));
    value.ok_or_else(missing)
}

/// A whole number of the options, 0 or more.
fn number(device: &Device, name: &str) -> Result<Option<u64>> {
    let Some(value) = device.options.get(name) else {
        return Ok(None);
    };
    let reason = || {
        let reason = format!("option `{name}` must be a whole number, 0 or more");
        BuildError::manifest(place(device), reason)
    };
    value.as_whole().map(Some).ok_or_else(reason)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A device of a manifest.
    pub(crate) fn device(module: &str, parent: Option<&str>, options: Json) -> Device {
        Device {
            name: "disk".into(),
            module: module.into(),
            parent: parent.map(str::to_owned),
            options: options.into(),
            id: String::new(),
        }
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let of = |options| number(&device("x", None, options), "n").ok();
        assert_eq!(of(json!({})), Some(None));
        assert_eq!(of(json!({"n": 3})), Some(Some(3)));
        assert_eq!(of(json!({"n": 3.0})), Some(Some(3)));
        for bad in [json!({"n": 1.5}), json!({"n": -1}), json!({"n": "1"})] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_parent_must_be_given_and_open() {
        let mut sandbox = Sandbox::default();
        let reply = json!({"path": "/dev/loop0"});
        sandbox.device_replies.insert("below".into(), reply);
        let of = |name| parent(&device("org.osbuild.luks2", name, json!({})), &sandbox);
        assert_eq!(of(Some("below")).unwrap(), "/dev/loop0");
        for name in [None, Some("other")] {
            let error = of(name).unwrap_err().to_string();
            assert!(
                error.starts_with("device disk (org.osbuild.luks2): "),
                "{error}"
            );
        }
    }
}
