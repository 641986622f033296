//! Create a service, mount, socket or swap unit.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail, ini};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// The longest file name.
const LONGEST: usize = 255;

#[derive(Deserialize)]
struct Options {
    filename: String,
    config: Map<String, Value>,
    #[serde(default, rename = "unit-type")]
    unit_type: UnitType,
    #[serde(default, rename = "unit-path")]
    unit_path: UnitPath,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum UnitType {
    #[default]
    System,
    Global,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum UnitPath {
    #[default]
    Usr,
    Etc,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        check(&options.filename, &options.config)?;
        let base = match options.unit_path {
            UnitPath::Usr => "usr/lib/systemd",
            UnitPath::Etc => "etc/systemd",
        };
        let kind = match options.unit_type {
            UnitType::System => "system",
            UnitType::Global => "user",
        };
        arguments.tree.write(
            &format!("{base}/{kind}/{}", options.filename),
            ini::unit(&options.config)?,
        )
    })
}

/// A unit needs the section that its suffix names.
fn check(filename: &str, config: &Map<String, Value>) -> Result<()> {
    if filename.len() > LONGEST {
        bail!("{filename}: a unit's name has at most {LONGEST} bytes");
    }
    for (suffix, section) in [
        (".service", "Service"),
        (".mount", "Mount"),
        (".socket", "Socket"),
        (".swap", "Swap"),
    ] {
        if filename.ends_with(suffix) && !config.contains_key(section) {
            bail!("{filename} unit requires {section} section");
        }
    }
    Ok(())
}
