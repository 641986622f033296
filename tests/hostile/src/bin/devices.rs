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
    let options = loopback::Options {
        offset: 0,
        size: None,
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
