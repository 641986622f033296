//! Install boot loaders with bootupd from the deployment.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Result, Tree, path};
use osbuild_stage_common::ostree::Deployment;
use osbuild_stage_common::partitions;
use serde::Deserialize;
use std::process::ExitCode;

/// What bootupctl expects to find in its root.
const HOST_DIRECTORIES: [&str; 6] = ["/dev", "/proc", "/sys", "/run", "/var", "/tmp"];

#[derive(Deserialize)]
struct Options {
    deployment: Option<Deployment>,
    #[serde(default, rename = "static-configs")]
    static_configs: bool,
    bios: Option<Bios>,
}

#[derive(Deserialize)]
struct Bios {
    device: String,
    partition: Option<usize>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (mounts, options) = (Tree::new(&arguments.paths.mounts), &arguments.options);
        let root = match &options.deployment {
            Some(deployment) => mounts.path(&deployment.path(&mounts)?),
            None => mounts.root().to_owned(),
        };
        let target = match &options.bios {
            Some(bios) => Some(bios.target(arguments.device(&bios.device)?)?),
            None => None,
        };
        let mut command = Command::new("chroot")
            .args([&root, "/usr/bin/bootupctl", "backend", "install"])
            .args(target.map(|target| format!("--device={target}")))
            .flag("--with-static-configs", options.static_configs)
            .arg(mounts.root());
        for directory in HOST_DIRECTORIES {
            command = command.bind(directory, path::join(&root, directory), directory == "/sys");
        }
        command.run()
    })
}

impl Bios {
    /// The whole device, or one of its partitions, counted from 1.
    fn target(&self, device: &str) -> Result<String> {
        let Some(number) = self.partition.filter(|number| *number != 0) else {
            return Ok(device.into());
        };
        let report = Command::new("sfdisk").args(["--json", device]).capture()?;
        let found = partitions::parse_any(&report)?
            .partitions
            .into_iter()
            .nth(number - 1);
        found
            .map(|partition| partition.node)
            .ok_or_else(|| Error::new(format!("{device} has no partition {number}")))
    }
}
