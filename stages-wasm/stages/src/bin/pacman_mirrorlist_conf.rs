//! Write a pacman mirror list.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default = "mirrorlist")]
    filename: String,
    #[serde(default)]
    mirrors: Vec<String>,
}

fn mirrorlist() -> String {
    "/etc/pacman.d/mirrorlist".into()
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let lines = options.mirrors.iter();
        let lines: Vec<String> = lines.map(|mirror| format!("Server = {mirror}\n")).collect();
        tree.create_dir_all(path::parent(&options.filename))?;
        tree.write(&options.filename, lines.join("\n"))
    })
}
