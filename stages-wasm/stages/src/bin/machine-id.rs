//! Control first-boot semantics through etc/machine-id.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, bail};
use serde::Deserialize;
use std::process::ExitCode;

const PATH: &str = "etc/machine-id";

#[derive(Deserialize)]
struct Options {
    #[serde(rename = "first-boot")]
    first_boot: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        match arguments.options.first_boot.as_str() {
            "yes" => tree.write(PATH, "uninitialized\n"),
            "no" => tree.write(PATH, ""),
            "preserve" if tree.is_file(PATH)? => Ok(()),
            "preserve" => bail!("/{PATH} cannot be preserved: there is no such file"),
            other => bail!("unexpected machine-id mode '{other}'"),
        }
    })
}
