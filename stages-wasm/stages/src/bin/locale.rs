//! Set the system locale.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::systemd::{env_line, is_safe_name};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    language: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let language = &arguments.options.language;
        if !is_safe_name(language) {
            bail!("`{language}` is no valid locale name");
        }
        let tree = &arguments.tree;
        tree.create_dir_all("etc")?;
        tree.remove_if_exists("etc/locale.conf")?;
        tree.write("etc/locale.conf", env_line("LANG", language))
    })
}
