//! Install systemd-boot.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Options {
    root: String,
    esp_path: Option<String>,
    boot_path: Option<String>,
    #[serde(default)]
    relax_esp_checks: bool,
    random_seed: Option<String>,
    make_entry_directory: Option<String>,
    entry_token: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let root = path::normal(&arguments.locate(&options.root)?);
        let mut command =
            Command::new("bootctl").args(["install", "--no-variables", "--root", &root]);
        for (flag, value) in [
            ("--random-seed", &options.random_seed),
            ("--make-entry-directory", &options.make_entry_directory),
            ("--entry-token", &options.entry_token),
            ("--esp-path", &options.esp_path),
            ("--boot-path", &options.boot_path),
        ] {
            command = command.option(flag, value.as_ref().filter(|value| !value.is_empty()));
        }
        if options.relax_esp_checks {
            command = command.env("SYSTEMD_RELAX_ESP_CHECKS", "1");
        }
        command.run()
    })
}
