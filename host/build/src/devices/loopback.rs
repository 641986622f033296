//! `org.osbuild.loopback`: a file of the tree.
use super::part::open_image;
use super::{number, place};
use crate::failure::{BuildError, Result};
use crate::leases::refused;
use crate::sandbox::{Sandbox, TREE};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Device;
use osbuild_wasm_protocol::{Attach, Session};
use serde_json::{Value as Json, json};
use std::os::fd::AsFd;
use std::path::Path;

/// Bytes of a sector unless the options say otherwise.
const SECTOR: u64 = 512;

/// Attaches the file.
pub(super) fn open(device: &Device, session: &Session, sandbox: &mut Sandbox) -> Result<Json> {
    let attach = attachment(device)?;
    let wrong = |error: std::io::Error| {
        BuildError::manifest(place(device), format!("{}: {error}", attach.path))
    };
    let file = open_image(sandbox, &attach).map_err(wrong)?;
    let attached = session
        .call(attach, &[file.as_fd()])
        .map_err(refused(&place(device)))?;
    let path = attached.device;
    sandbox.grant_device(&path, Path::new(&path));
    for partition in &attached.partitions {
        let path = format!("{path}p{partition}");
        sandbox.grant_device(&path, Path::new(&path));
    }
    Ok(json!({ "path": path, "node": { "major": attached.major, "minor": attached.minor } }))
}

pub(super) fn attachment(device: &Device) -> Result<Attach> {
    let wrong = |reason: &str| BuildError::manifest(place(device), reason);
    if device.parent.is_some() {
        return Err(wrong("a loop device has no parent"));
    }
    let options = &device.options;
    let filename = options
        .get("filename")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let filename = filename.trim_start_matches('/');
    if filename.is_empty() {
        return Err(wrong("option `filename` must name a file of the tree"));
    }
    let sector = number(device, "sector-size")?.unwrap_or(SECTOR);
    let bytes = |sectors: u64| {
        sectors
            .checked_mul(sector)
            .ok_or_else(|| wrong("`start` or `size` is too large"))
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
        sector_size: u32::try_from(sector).map_err(|_| wrong("`sector-size` is too large"))?,
        read_only: flag("read-only"),
        partition_scan: flag("partscan"),
        lock: flag("lock"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tests::device;

    fn of(options: Json) -> Result<Attach> {
        attachment(&device("org.osbuild.loopback", None, options))
    }

    #[test]
    fn start_and_size_count_sectors() {
        let attach = of(json!({"filename": "/disk.img", "start": 2048, "size": 8.0})).unwrap();
        assert_eq!(attach.path, "/run/osbuild/tree/disk.img");
        assert_eq!((attach.offset, attach.size), (1 << 20, Some(4096)));
        let large = json!({"filename": "disk.img", "start": 1, "size": 1, "sector-size": 4096});
        let attach = of(large).unwrap();
        assert_eq!(
            (attach.offset, attach.size, attach.sector_size),
            (4096, Some(4096), 4096)
        );
    }

    #[test]
    fn everything_but_the_name_has_a_default() {
        let attach = of(json!({"filename": "disk.img", "size": 0})).unwrap();
        assert_eq!(
            (attach.offset, attach.size, attach.sector_size),
            (0, None, 512)
        );
        assert!(!attach.read_only && !attach.partition_scan && !attach.lock);
        let flags = json!({"filename": "x", "read-only": true, "partscan": true, "lock": true});
        let attach = of(flags).unwrap();
        assert!(attach.read_only && attach.partition_scan && attach.lock);
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for bad in [
            json!({}),
            json!({"filename": "/"}),
            json!({"filename": "x", "start": 1.5}),
            json!({"filename": "x", "start": 9e15, "sector-size": 4096}),
            json!({"filename": "x", "sector-size": 1e12}),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
        let child = device("org.osbuild.loopback", Some("x"), json!({"filename": "x"}));
        assert!(attachment(&child).is_err());
    }
}
