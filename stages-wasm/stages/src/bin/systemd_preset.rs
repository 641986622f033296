//! Write the 50-osbuild.preset file.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Result, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use std::process::ExitCode;

const FILE: &str = "usr/lib/systemd/system-preset/50-osbuild.preset";

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    presets: Vec<Preset>,
}

#[derive(Deserialize)]
struct Preset {
    name: String,
    state: State,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum State {
    Enable,
    Disable,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let presets = &arguments.options.presets;
        if presets.is_empty() {
            return Ok(());
        }
        arguments.tree.write(FILE, text(presets)?)
    })
}

fn text(presets: &[Preset]) -> Result<String> {
    let mut states = IndexMap::new();
    for preset in presets {
        word("presets.name", &preset.name)?;
        if states.insert(&preset.name, preset.state).is_some() {
            bail!("'{}' has multiple defined states", preset.name);
        }
    }
    let line = |(name, state): (&String, State)| match state {
        State::Enable => format!("enable {name}\n"),
        State::Disable => format!("disable {name}\n"),
    };
    Ok(states.into_iter().map(line).collect())
}
