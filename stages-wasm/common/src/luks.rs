//! Encrypted devices by cryptsetup(8).
use osbuild_stage::{Arguments, Result, path};

/// Contract path of the stage's device; a relative one is in /dev.
pub fn device<O>(arguments: &Arguments<O>) -> Result<String> {
    let device = arguments.device("device")?;
    Ok(if device.starts_with('/') {
        device.into()
    } else {
        path::join("/dev", device)
    })
}
