//! Create a disk image with systemd-repart from repart.d definitions in an input tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    path: String,
    size: String,
    seed: Option<String>,
    #[serde(rename = "sector-size")]
    sector_size: Option<u64>,
    #[serde(default, rename = "defer-partitions-factory-reset")]
    defer: bool,
    #[serde(default)]
    split: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let sector_size = options.sector_size.filter(|size| *size != 0);
        let defer = options.defer.then_some("yes");
        Command::new("systemd-repart")
            .args(["--empty", "create", "--size", &options.size])
            .args(["--root", &arguments.input("root-tree")?.path])
            .args(["--seed", options.seed.as_deref().unwrap_or("random")])
            .arg(arguments.tree.path(&options.path))
            .option("--sector-size", sector_size.map(|size| size.to_string()))
            .option("--defer-partitions-factory-reset", defer)
            .option("--split", options.split.then_some("yes"))
            .run()
    })
}
