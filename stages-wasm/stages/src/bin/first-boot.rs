//! Install a one-shot first-boot service.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, bail};
use serde::Deserialize;
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/systemd/system";
const SERVICE: &str = "osbuild-first-boot.service";
/// The service runs while this file is there, and removes it first.
const MARKER: &str = "etc/osbuild-first-boot";

#[derive(Deserialize)]
struct Options {
    commands: Vec<String>,
    #[serde(default)]
    wait_for_network: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, commands) = (&arguments.tree, &arguments.options.commands);
        if let Some(command) = commands.iter().find(|command| command.ends_with('\\')) {
            bail!(
                "options.commands: {command:?} ends with a backslash, which takes in the next line"
            );
        }
        let wants = format!("{DIRECTORY}/default.target.wants");
        tree.create_dir_all(&wants)?;
        tree.write(
            &format!("{DIRECTORY}/{SERVICE}"),
            service(&arguments.options),
        )?;
        tree.symlink(&format!("../{SERVICE}"), &format!("{wants}/{SERVICE}"))?;
        tree.create_dir_all("etc")?;
        tree.append(MARKER, "")
    })
}

fn service(options: &Options) -> String {
    let network = match options.wait_for_network {
        true => "Wants=network-online.target\nAfter=network-online.target\n",
        false => "",
    };
    let commands = options.commands.iter();
    let commands: String = commands
        .map(|command| format!("ExecStart={command}\n"))
        .collect();
    format!(
        "[Unit]
Description=OSBuild First Boot Service
ConditionPathExists=/{MARKER}
{network}
[Service]
Type=oneshot

ExecStart=/usr/bin/rm /{MARKER}
{commands}"
    )
}
