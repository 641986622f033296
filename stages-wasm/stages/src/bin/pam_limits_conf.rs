//! Write a limits.d drop-in.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail, ini};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Vec<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    domain: String,
    #[serde(rename = "type")]
    kind: String,
    item: String,
    /// A number or a word such as `unlimited`.
    value: Value,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let lines: Vec<String> = options.config.iter().map(line).collect::<Result<_>>()?;
        arguments.tree.write(
            &format!("etc/security/limits.d/{}", options.filename),
            lines.concat(),
        )
    })
}

fn line(limit: &Limit) -> Result<String> {
    let value = ini::scalar(&limit.value)?;
    for (option, field) in [
        ("config.domain", &limit.domain),
        ("config.type", &limit.kind),
        ("config.item", &limit.item),
        ("config.value", &value),
    ] {
        word(option, field)?;
        if field.contains('#') {
            bail!("options.{option}: {field:?}: a comment begins at `#` wherever it stands");
        }
    }
    Ok(format!(
        "{} {} {} {value}\n",
        limit.domain, limit.kind, limit.item
    ))
}
