//! `org.osbuild.luks2`: an opened LUKS container.
use super::{parent, place, text};
use crate::failure::Result;
use crate::leases::refused;
use crate::sandbox::Sandbox;
use osbuild_wasm_manifest::model::Device;
use osbuild_wasm_protocol::{Bytes, OpenCrypt, Session};
use serde_json::{Value, json};
use std::path::Path;

/// Opens the container on the parent device.
pub(super) fn open(device: &Device, session: &Session, sandbox: &mut Sandbox) -> Result<Value> {
    let call = OpenCrypt {
        device: parent(device, sandbox)?,
        passphrase: Bytes(text(device, "passphrase")?.into()),
    };
    let mapped = session.call(call, &[]).map_err(refused(&place(device)))?;
    sandbox.grant_device(&mapped.device, Path::new(&mapped.device));
    Ok(json!({
        "path": mapped.device,
        "node": { "major": mapped.major, "minor": mapped.minor },
        "name": mapped.name,
    }))
}
