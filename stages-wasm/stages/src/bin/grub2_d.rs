//! Write a drop-in with commands for the serial line and the terminals of GRUB.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, path};
use osbuild_stage_common::grub::Terminals;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    path: String,
    config: Terminals,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["serial"], |arguments: Arguments<Options>| -> Result<()> {
        let place = arguments.locate(&arguments.options.path)?;
        let commands = arguments.options.config.commands(false)?;
        // Each command begins with a newline.
        let text = match commands.strip_prefix('\n') {
            Some(commands) => format!("{commands}\n"),
            None => String::new(),
        };
        Tree::contract().create_dir_all(path::parent(&place))?;
        Tree::contract().write(&place, text)
    })
}
