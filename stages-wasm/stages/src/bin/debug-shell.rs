//! Enable a root shell on a tty for debugging.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use std::process::ExitCode;

const DIRECTORY: &str = "etc/systemd/system";
const SERVICE: &str = "osbuild-debug-shell.service";

#[derive(Deserialize)]
struct Options {
    tty: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, tty) = (&arguments.tree, &arguments.options.tty);
        word("tty", tty)?;
        if tty.contains(['\\', '%', '"', '\'']) {
            bail!("options.tty: {tty:?} is no terminal");
        }
        tree.write(&format!("{DIRECTORY}/{SERVICE}"), service(tty))?;
        tree.symlink(
            &format!("../{SERVICE}"),
            &format!("{DIRECTORY}/sysinit.target.wants/{SERVICE}"),
        )
    })
}

fn service(tty: &str) -> String {
    format!(
        "
[Unit]
Description=Early root shell on {tty} FOR DEBUGGING ONLY
DefaultDependencies=no
IgnoreOnIsolate=yes
ConditionPathExists={tty}

[Service]
Environment=TERM=linux
ExecStart=/bin/sh
Restart=always
RestartSec=0
StandardInput=tty
TTYPath={tty}
TTYReset=yes
TTYVHangup=yes
KillMode=process
IgnoreSIGPIPE=no
# An interactive shell does not end on SIGTERM.
KillSignal=SIGHUP

# A console cannot show the letters of every locale.
UnsetEnvironment=LANG LANGUAGE LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS \
LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION
"
    )
}
