//! Attaches and mounts what it was not given.
#![forbid(unsafe_code)]
use osbuild_hostile::Attempts;
use osbuild_stage::loopback::{self, Device};
use osbuild_stage::mount::{FileSystem, Mounted};
use osbuild_stage::{Arguments, Result};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    attach: Vec<String>,
    /// Image, first byte and number of bytes: attached one after another, and all kept.
    #[serde(default)]
    together: Vec<(String, u64, u64)>,
    /// Device and target.
    #[serde(default)]
    mount: Vec<(String, String)>,
    /// Attaches this image, mounts it and leaves everything as it is.
    leak: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let mut attempts = Attempts::default();
        for path in &arguments.options.attach {
            let device = attach(path);
            attempts.note(
                &format!("attach {path}"),
                device.map(|device| device.path()),
            );
        }
        let mut kept = Vec::new();
        for (path, offset, size) in &arguments.options.together {
            let device = attach_part(path, *offset, Some(*size));
            let device = device.map(|device| kept.push(device)).map(|()| "kept");
            attempts.note(&format!("keep {path} {offset}"), device);
        }
        for (device, target) in &arguments.options.mount {
            let mounted = mount(device, target);
            attempts.note(
                &format!("mount {device} {target}"),
                mounted.map(|_| "mounted"),
            );
        }
        if let Some(path) = &arguments.options.leak {
            attempts.note(&format!("leak {path}"), leak(path));
        }
        attempts.conclude()
    })
}

fn attach(path: &str) -> Result<Device> {
    attach_part(path, 0, None)
}

fn attach_part(path: &str, offset: u64, size: Option<u64>) -> Result<Device> {
    let options = loopback::Options {
        offset,
        size,
        sector_size: 512,
        read_only: false,
    };
    Device::attach(path, options)
}

fn mount(device: &str, target: &str) -> Result<Mounted> {
    Mounted::new(device, target, FileSystem::Ext4, false, &[])
}

fn leak(path: &str) -> Result<&'static str> {
    let device = attach(path)?;
    let mounted = mount(&device.path(), "/run/osbuild/mounts/leak")?;
    std::mem::forget((device, mounted));
    Ok("left mounted")
}
