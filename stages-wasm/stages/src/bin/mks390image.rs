//! Combine kernel, initrd and parameters into an s390 boot image.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    kernel: String,
    initrd: String,
    config: String,
    image: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        Command::new("mk-s390image")
            .arg(tree.path(&options.kernel))
            .arg(tree.path(&options.image))
            .args(["-r", &tree.path(&options.initrd)])
            .args(["-p", &tree.path(&options.config)])
            .run()
    })
}
