//! Create a device with the hashes of another and check them.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Number, Result, path};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    blocksize: Option<Number>,
    root_hash_file: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let devices = [
            device(&arguments, "data_device")?,
            device(&arguments, "hash_device")?,
        ];
        let block_size = options.blocksize.clone().unwrap_or_else(|| 512.into());
        let file = arguments.tree.path(&options.root_hash_file);
        let program = || Command::new("veritysetup");
        program()
            .arg("format")
            .args(&devices)
            .args(["--data-block-size", &block_size.to_string()])
            .args(["--root-hash-file", &file])
            .run()?;
        program()
            .arg("verify")
            .args(&devices)
            .args(["--root-hash-file", &file])
            .run()
    })
}

fn device(arguments: &Arguments<Options>, name: &str) -> Result<String> {
    let device = arguments.device(name)?;
    Ok(if device.starts_with('/') {
        device.into()
    } else {
        path::join(&arguments.paths.devices, device)
    })
}
