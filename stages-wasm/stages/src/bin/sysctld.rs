//! Write a sysctl drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::fields::{text, word};
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
        let lines: Vec<String> = options.config.iter().map(line).collect::<Result<_>>()?;
        arguments.tree.write(
            &format!("usr/lib/sysctl.d/{}", options.filename),
            lines.concat(),
        )
    })
}

/// A key without value excludes a parameter from a pattern.
fn line(setting: &Setting) -> Result<String> {
    let (key, value) = (&setting.key, &setting.value);
    word("config.key", key)?;
    if key.contains('=') || key.starts_with(';') {
        bail!("options.config.key: {key:?} is no name of a parameter");
    }
    text("config.value", value)?;
    Ok(match value.as_str() {
        "" => format!("{key}\n"),
        value => format!("{key} = {value}\n"),
    })
}
