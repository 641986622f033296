//! `org.osbuild.lvm2.lv`: an active logical volume.
use super::{number, parent, place, text};
use crate::failure::{BuildError, Result};
use crate::leases::refused;
use crate::sandbox::Sandbox;
use osbuild_wasm_manifest::model::Device;
use osbuild_wasm_protocol::{ActivateVolume, Session};
use serde_json::{Value, json};
use std::path::Path;

/// Activates the volume of the group on the parent device, or on a partition of it.
pub(super) fn open(device: &Device, session: &Session, sandbox: &mut Sandbox) -> Result<Value> {
    let call = activation(device, parent(device, sandbox)?)?;
    let name = call.volume.clone();
    let volume = session.call(call, &[]).map_err(refused(&place(device)))?;
    let path = format!("/dev/{}/{name}", volume.group);
    for contract in [&path, &volume.mapper] {
        sandbox.grant_device(contract, Path::new(&volume.mapper));
    }
    Ok(json!({
        "path": path,
        "node": { "major": volume.major, "minor": volume.minor },
        "lvm": { "vg_name": volume.group, "lv_name": name },
    }))
}

fn activation(device: &Device, parent: String) -> Result<ActivateVolume> {
    let partition = number(device, "vg_partnum")?.filter(|number| *number != 0);
    let partition = partition.map(u32::try_from).transpose();
    Ok(ActivateVolume {
        device: parent,
        partition: partition
            .map_err(|_| BuildError::manifest(place(device), "`vg_partnum` is too large"))?,
        volume: text(device, "volume")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tests::device;

    #[test]
    fn the_group_may_be_on_a_partition() {
        let of = |options| {
            let device = device("org.osbuild.lvm2.lv", Some("disk"), options);
            activation(&device, "/dev/loop0".into())
        };
        let plain = of(json!({"volume": "root"})).unwrap();
        assert_eq!((plain.volume.as_str(), plain.partition), ("root", None));
        let second = of(json!({"volume": "root", "vg_partnum": 2})).unwrap();
        assert_eq!(second.partition, Some(2));
        assert!(of(json!({"vg_partnum": 2})).is_err());
        assert!(of(json!({"volume": "root", "vg_partnum": 1.5})).is_err());
    }
}
