//! Set sysroot options in a repository's configuration.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repo: String,
    #[serde(default)]
    config: Config,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    sysroot: SysRoot,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct SysRoot {
    bootloader: Option<String>,
    bootprefix: Option<bool>,
    readonly: Option<bool>,
    bls_append_except_default: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let repository = format!("--repo={}", arguments.tree.path(&options.repo));
        options
            .config
            .sysroot
            .settings()
            .iter()
            .try_for_each(|(key, value)| {
                Command::new("ostree")
                    .args(["config", "set", &format!("sysroot.{key}")])
                    .operands(&format!("config.sysroot.{key}"), [value])?
                    .arg(&repository)
                    .run()
            })
    })
}

impl SysRoot {
    fn settings(&self) -> Vec<(&str, String)> {
        let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let settings = [
            ("bootloader", text(&self.bootloader)),
            ("bootprefix", self.bootprefix.map(|value| value.to_string())),
            ("readonly", self.readonly.map(|value| value.to_string())),
            (
                "bls-append-except-default",
                text(&self.bls_append_except_default),
            ),
        ];
        let given = |(key, value): (_, Option<String>)| Some((key, value?));
        settings.into_iter().filter_map(given).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_a_fixed_order() {
        let root: SysRoot = serde_json::from_str(
            r#"{"bls-append-except-default": "x", "readonly": false, "bootloader": "none"}"#,
        )
        .unwrap();
        assert_eq!(
            root.settings(),
            [
                ("bootloader", "none".into()),
                ("readonly", "false".into()),
                ("bls-append-except-default", "x".into())
            ]
        );
    }
}
