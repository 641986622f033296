//! Write a modprobe drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
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
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        tree.create_dir_all(DIRECTORY)?;
        tree.write(
            &format!("{DIRECTORY}/{}", options.filename),
            options.commands.iter().map(line).collect::<String>(),
        )
    })
}

fn line(command: &Command) -> String {
    match command {
        Command::Blacklist { modulename } => format!("blacklist {modulename}\n"),
        Command::Install {
            modulename,
            cmdline,
        } => format!("install {modulename} {cmdline}\n"),
    }
}
