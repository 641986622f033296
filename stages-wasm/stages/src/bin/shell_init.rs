//! Write profile.d scripts exporting variables.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result};
use osbuild_stage_common::quoting::shell_text;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    files: IndexMap<String, Script>,
}

#[derive(Deserialize)]
struct Script {
    env: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    key: String,
    value: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        arguments
            .options
            .files
            .iter()
            .try_for_each(|(name, script)| {
                let lines: Vec<_> = script.env.iter().map(line).collect::<Result<_>>()?;
                arguments
                    .tree
                    .write(&format!("etc/profile.d/{name}"), lines.concat())
            })
    })
}

/// Variables in a value are the shell's, all else is the value's.
fn line(variable: &Variable) -> Result<String> {
    let value = shell_text(
        &format!("files.env: value of {}", variable.key),
        &variable.value,
    )?;
    Ok(format!("export {}=\"{value}\"\n", variable.key))
}
