//! Relabel a fresh deployment.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::ostree::Deployment;
use osbuild_stage_common::selinux;
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
        let Some(contexts) = selinux::file_contexts(tree, &deployed.path)? else {
            bail!("the deployment {} has no SELinux policy", deployed.path);
        };
        selinux::label_deployment(tree, &contexts, &deployed.path, &deployed.state)
    })
}
