//! Enable, disable and mask units; mask generators; set the default target.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::units::Units;
use serde::Deserialize;
use std::process::ExitCode;

const GENERATORS: &str = "etc/systemd/system-generators";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    enabled_services: Vec<String>,
    disabled_services: Vec<String>,
    masked_services: Vec<String>,
    masked_generators: Vec<String>,
    default_target: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let units = Units::new(tree);
        options
            .enabled_services
            .iter()
            .try_for_each(|unit| units.enable(unit))?;
        options
            .disabled_services
            .iter()
            .try_for_each(|unit| units.disable(unit))?;
        options
            .masked_services
            .iter()
            .try_for_each(|unit| units.mask(unit))?;
        if !options.masked_generators.is_empty() {
            tree.create_dir_all(GENERATORS)?;
        }
        options
            .masked_generators
            .iter()
            .try_for_each(|name| tree.symlink("/dev/null", &format!("{GENERATORS}/{name}")))?;
        match options
            .default_target
            .as_ref()
            .filter(|target| !target.is_empty())
        {
            Some(target) => units.set_default(target),
            None => Ok(()),
        }
    })
}
