//! Configure etc/wsl-distribution.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Number, Result};
use osbuild_stage_common::ini_preserve;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Options {
    oobe: Oobe,
    shortcut: Shortcut,
}

/// What happens when the distribution starts for the first time ("out of box experience").
#[derive(Deserialize, Default)]
struct Oobe {
    default_uid: Option<Number>,
    default_name: Option<String>,
}

#[derive(Deserialize, Default)]
struct Shortcut {
    enabled: Option<bool>,
    icon: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let settings = settings(arguments.options);
        if settings.is_empty() {
            return Ok(());
        }
        ini_preserve::edit(&arguments.tree, "etc/wsl-distribution.conf", |file| {
            let mut settings = settings.iter();
            settings.try_for_each(|(section, key, value)| file.set_in(section, key, value))
        })
    })
}

/// Section, key and value of what is given.
fn settings(options: Options) -> Vec<(&'static str, &'static str, String)> {
    let (oobe, shortcut) = (options.oobe, options.shortcut);
    let settings = [
        (
            "oobe",
            "defaultUid",
            oobe.default_uid.map(|uid| uid.to_string()),
        ),
        ("oobe", "defaultName", oobe.default_name),
        (
            "shortcut",
            "enabled",
            shortcut.enabled.map(|enabled| enabled.to_string()),
        ),
        ("shortcut", "icon", shortcut.icon),
    ];
    let given = settings.into_iter();
    given
        .filter_map(|(section, key, value)| Some((section, key, value?)))
        .collect()
}
