//! Pull commits from an input repository.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, bail};
use osbuild_stage_common::ostree;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repo: String,
    remote: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let input = arguments.input("commits")?;
        let commits = ostree::commits(input)?;
        if commits.is_empty() {
            bail!("the input has no commits");
        }
        let remote = options.remote.as_deref().filter(|name| !name.is_empty());
        commits
            .iter()
            .try_for_each(|commit| ostree::pull(tree, &options.repo, input, commit, remote))
    })
}
