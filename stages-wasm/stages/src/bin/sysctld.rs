//! Write a sysctl drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Vec<Setting>,
}

#[derive(Deserialize)]
struct Setting {
    key: String,
    #[serde(default)]
    value: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        arguments.tree.write(
            &format!("usr/lib/sysctl.d/{}", options.filename),
            options.config.iter().map(line).collect::<String>(),
        )
    })
}

/// A key without value excludes a parameter from a pattern.
fn line(setting: &Setting) -> String {
    match (&setting.key, &setting.value) {
        (key, value) if value.is_empty() => format!("{key}\n"),
        (key, value) => format!("{key} = {value}\n"),
    }
}
