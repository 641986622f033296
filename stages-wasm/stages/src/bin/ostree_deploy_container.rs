//! Deploy an ostree native container.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::container::{self, Image};
use osbuild_stage_common::ostree::{self, Kernel};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    mounts: Vec<String>,
    osname: String,
    #[serde(flatten)]
    kernel: Kernel,
    target_imgref: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        container::images(arguments.input("images")?)?
            .iter()
            .try_for_each(|image| deploy(&arguments, image))
    })
}

fn deploy(arguments: &Arguments<Options>, image: &Image) -> Result<()> {
    let (tree, options) = (&arguments.tree, &arguments.options);
    let kernel = options.kernel.arguments()?;
    let command = Command::new("ostree")
        .args(["container", "image", "deploy"])
        .arg(format!(
            "--imgref=ostree-unverified-image:{}",
            image.source()?
        ))
        .arg(format!("--stateroot={}", options.osname))
        .arg(format!("--target-imgref={}", options.target_imgref))
        .args(kernel.iter().map(|argument| format!("--karg={argument}")))
        .arg(format!("--sysroot={}", tree.root()));
    let mounts = options.mounts.iter().map(String::as_str);
    image.show(ostree::with_mounts(command, tree, mounts)).run()
}
