//! Write profile.d scripts exporting variables.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap};
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
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments
            .options
            .files
            .iter()
            .try_for_each(|(name, script)| {
                arguments.tree.write(
                    &format!("etc/profile.d/{name}"),
                    script.env.iter().map(line).collect::<String>(),
                )
            })
    })
}

/// Within the quotes the shell expands `$` and wants `\"`; values are written as they are given.
fn line(variable: &Variable) -> String {
    format!("export {}=\"{}\"\n", variable.key, variable.value)
}
