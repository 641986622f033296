//! Write a journald drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::dropin::DropIn;
use std::process::ExitCode;

const DIRECTORY: &str = "usr/lib/systemd/journald.conf.d";

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<DropIn>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let text = options.text()?;
        tree.create_dir_all(DIRECTORY)?;
        tree.write_new(&format!("{DIRECTORY}/{}", options.filename), text)
    })
}
