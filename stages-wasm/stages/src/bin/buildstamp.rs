//! Write the .buildstamp file of an installer tree.
#![forbid(unsafe_code)]
use osbuild_stage::ini::{Ini, Style};
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::clock;
use serde::Deserialize;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Deserialize)]
struct Options {
    arch: String,
    product: String,
    version: String,
    #[serde(rename = "final")]
    is_final: bool,
    variant: Option<String>,
    bugurl: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let text = text(&arguments.options, clock::now(&arguments.meta))?;
        arguments.tree.write(".buildstamp", text)
    })
}

/// The id of the build begins with its time, year to minute without separators, in UTC.
fn text(options: &Options, now: Duration) -> Result<String> {
    let uuid = format!("{}.{}", clock::format(now, "%Y%m%d%H%M")?, options.arch);
    let is_final = if options.is_final { "True" } else { "False" };
    let mut file = Ini::new(Style {
        separator: " = ",
        lower_case: true,
        interpolated: true,
    });
    let settings = [
        ("product", Some(options.product.as_str())),
        ("version", Some(&options.version)),
        ("isfinal", Some(is_final)),
        ("uuid", Some(&uuid)),
        ("bugurl", given(&options.bugurl)),
        ("variant", given(&options.variant)),
    ];
    for (key, value) in settings {
        if let Some(value) = value {
            file.set("Main", key, value)?;
        }
    }
    file.set("Compose", "osbuild", "devel")?;
    Ok(file.render())
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_settings_come_last_and_empty_ones_are_left_out() {
        let options = r#"{"arch": "a", "product": "p", "version": "1", "final": true, "variant": "v", "bugurl": ""}"#;
        let options = serde_json::from_str(options).unwrap();
        assert_eq!(
            text(&options, Duration::from_secs(1_700_000_000)).unwrap(),
            "[Main]\nproduct = p\nversion = 1\nisfinal = True\nuuid = 202311142213.a\nvariant = v\n\n[Compose]\nosbuild = devel\n\n"
        );
    }
}
