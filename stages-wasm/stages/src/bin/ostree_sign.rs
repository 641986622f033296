//! Sign a ref.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    repo: String,
    #[serde(rename = "ref")]
    reference: String,
    key: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        Command::new("ostree")
            .arg("sign")
            .operands("ref", [&options.reference])?
            .arg(format!("--repo={}", tree.path(&options.repo)))
            .arg(format!("--keys-file={}", tree.path(&options.key)))
            .run()
    })
}
