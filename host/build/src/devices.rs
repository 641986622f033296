//! Devices of a stage.
use crate::failure::{BuildError, Result};
use crate::sandbox::{Sandbox, TREE};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Device;
use osbuild_wasm_protocol::{Attach, Session};
use serde_json::json;
use std::path::Path;

/// Bytes of a sector unless the options say otherwise.
const SECTOR: u64 = 512;

/// How messages name the device.
pub(crate) fn place(device: &Device) -> String {
    format!("device {} ({})", device.name, device.module)
}

/// Opens one device; `loopback` is the session that will hold it. The node is granted to the stage.
pub(crate) fn open(device: &Device, loopback: &Session, sandbox: &mut Sandbox) -> Result<()> {
    if device.module != "org.osbuild.loopback" {
        let reason = format!(
            "devices of type {} are not supported by this version",
            device.module
        );
        return Err(BuildError::manifest(place(device), reason));
    }
    if device.parent.is_some() {
        return Err(BuildError::manifest(
            place(device),
            "a loop device has no parent",
        ));
    }
    let attach = attachment(device)?;
    let attached = loopback
        .attach(attach)
        .map_err(|failure| BuildError::Helper {
            place: place(device),
            failure,
        })?;
    let path = attached.device.clone();
    sandbox.grant_device(&path, Path::new(&path));
    for partition in &attached.partitions {
        let path = format!("{path}p{partition}");
        sandbox.grant_device(&path, Path::new(&path));
    }
    let reply =
        json!({ "path": path, "node": { "major": attached.major, "minor": attached.minor } });
    sandbox.device_replies.insert(device.name.clone(), reply);
    Ok(())
}

fn attachment(device: &Device) -> Result<Attach> {
    let options = &device.options;
    let filename = options
        .get("filename")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_start_matches('/');
    if filename.is_empty() {
        return Err(BuildError::manifest(
            place(device),
            "option `filename` must name a file of the tree",
        ));
    }
    let sector = number(device, "sector-size")?.unwrap_or(SECTOR);
    let bytes = |sectors: u64| {
        sectors
            .checked_mul(sector)
            .ok_or_else(|| BuildError::manifest(place(device), "`start` or `size` is too large"))
    };
    let flag = |name| options.get(name).and_then(Value::as_bool).unwrap_or(false);
    Ok(Attach {
        path: format!("{TREE}/{filename}"),
        offset: bytes(number(device, "start")?.unwrap_or(0))?,
        // As in osbuild, a size of 0 is none.
        size: number(device, "size")?
            .filter(|size| *size != 0)
            .map(bytes)
            .transpose()?,
        sector_size: u32::try_from(sector).unwrap_or(0),
        read_only: flag("read-only"),
        partition_scan: flag("partscan"),
        lock: flag("lock"),
    })
}

/// A non-negative whole number of the options.
fn number(device: &Device, name: &str) -> Result<Option<u64>> {
    let Some(value) = device.options.get(name) else {
        return Ok(None);
    };
    let whole = value
        .as_f64()
        .filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number));
    let whole = value.as_u64().or(whole.map(|number| number as u64));
    whole.map(Some).ok_or_else(|| {
        BuildError::manifest(
            place(device),
            format!("option `{name}` must be a whole number, 0 or more"),
        )
    })
}
