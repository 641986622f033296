//! Copy files and directories between inputs, mounts and the tree.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Context, CopyOptions, Tree};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    paths: Vec<Copy>,
}

#[derive(Deserialize)]
struct Copy {
    from: String,
    to: String,
    #[serde(default)]
    remove_destination: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.paths.iter().try_for_each(|copy| {
            let (from, to) = (arguments.locate(&copy.from)?, arguments.locate(&copy.to)?);
            println!("copying {} to {}", copy.from, copy.to);
            let options = CopyOptions {
                remove_destination: copy.remove_destination,
                follow: false,
            };
            Tree::contract()
                .copy(&from, &to, options)
                .with_context(|| format!("cannot copy {} to {}", copy.from, copy.to))
        })
    })
}
