//! Configure remotes of a repository.
#![forbid(unsafe_code)]
use osbuild_stage::Arguments;
use osbuild_stage_common::ostree::Remote;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repo: String,
    #[serde(default)]
    remotes: Vec<Remote>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&["gpgkeys"], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let mut remotes = options.remotes.iter();
        remotes.try_for_each(|remote| remote.add(&arguments.tree, &options.repo))
    })
}
