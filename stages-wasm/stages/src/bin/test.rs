//! Install a boot-test service that reports over a virtio port and powers off.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use serde::Deserialize;
use std::process::ExitCode;

const DIRECTORY: &str = "etc/systemd/system";
const SERVICE: &str = "osbuild-test.service";

#[derive(Deserialize)]
struct Options {
    script: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        tree.write(
            &format!("{DIRECTORY}/{SERVICE}"),
            service(&arguments.options.script),
        )?;
        tree.symlink(
            &format!("../{SERVICE}"),
            &format!("{DIRECTORY}/multi-user.target.wants/{SERVICE}"),
        )
    })
}

fn service(script: &str) -> String {
    format!(
        "
[Unit]
Description=Boot Test
Wants=dev-vport0p1.device
After=dev-vport0p1.device

[Service]
StandardOutput=file:/dev/vport0p1
ExecStart={script}
ExecStopPost=/usr/bin/systemctl poweroff
"
    )
}
