//! Create an XFS file system.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    uuid: String,
    label: Option<String>,
    agcount: Option<u64>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        Command::new("mkfs.xfs")
            .args(["-m", &format!("uuid={}", options.uuid)])
            .option(
                "-L",
                options.label.as_deref().filter(|label| !label.is_empty()),
            )
            .option(
                "-d",
                options
                    .agcount
                    .filter(|count| *count != 0)
                    .map(|count| format!("agcount={count}")),
            )
            .arg(arguments.device("device")?)
            .run()
    })
}
