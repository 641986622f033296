//! Write a modprobe drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use serde::Deserialize;
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/modprobe.d";

#[derive(Deserialize)]
struct Options {
    filename: String,
    commands: Vec<Command>,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
enum Command {
    Blacklist { modulename: String },
    Install { modulename: String, cmdline: String },
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        tree.create_dir_all(DIRECTORY)?;
        tree.write(
            &format!("{DIRECTORY}/{}", options.filename),
            options
                .commands
                .iter()
                .map(line)
                .collect::<Result<Vec<_>>>()?
                .concat(),
        )
    })
}

/// A command line is one by its meaning; the name of a module is none. A backslash takes in the character behind it, the end of the
/// line too (modprobe.d(5)), so it is written twice.
fn line(command: &Command) -> Result<String> {
    let (Command::Blacklist { modulename } | Command::Install { modulename, .. }) = command;
    if modulename.is_empty()
        || modulename.contains(|c: char| c.is_whitespace() || "#\\".contains(c))
    {
        bail!("options.commands: {modulename:?} is no name of a module");
    }
    Ok(match command {
        Command::Blacklist { modulename } => format!("blacklist {modulename}\n"),
        Command::Install { cmdline, .. } if cmdline.trim().is_empty() => {
            bail!("options.commands: the command line of {modulename} is empty")
        }
        Command::Install {
            modulename,
            cmdline,
        } => format!("install {modulename} {}\n", cmdline.replace('\\', "\\\\")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_module_brings_no_command() {
        let line = |json: &str| line(&serde_json::from_str(json).unwrap());
        let good = r#"{"command": "install", "modulename": "usb-storage", "cmdline": "/bin/true"}"#;
        assert_eq!(line(good).unwrap(), "install usb-storage /bin/true\n");
        for bad in [
            r#"{"command": "install", "modulename": "x /bin/evil; #", "cmdline": "/bin/true"}"#,
            r#"{"command": "blacklist", "modulename": "x\ninstall y /bin/evil"}"#,
            r#"{"command": "blacklist", "modulename": "x\\"}"#,
            r#"{"command": "install", "modulename": "x", "cmdline": " "}"#,
        ] {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
