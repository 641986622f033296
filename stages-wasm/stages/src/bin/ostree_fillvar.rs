//! Pre-populate /var of a deployment.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result};
use osbuild_stage_common::ostree::{self, Deployment};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    deployment: Deployment,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let tree = &arguments.tree;
        let deployed = arguments.options.deployment.find(tree)?;
        ostree::fill_var(tree, &deployed.path, &format!("{}/var", deployed.state))
    })
}
