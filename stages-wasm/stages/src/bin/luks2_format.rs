//! Format a device as LUKS2.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Result};
use osbuild_stage_common::luks;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    passphrase: String,
    uuid: String,
    cipher: Option<String>,
    pbkdf: Derivation,
    label: Option<String>,
    subsystem: Option<String>,
    #[serde(rename = "sector-size")]
    sector_size: Option<u32>,
    integrity: Option<String>,
}

/// How the key is derived from the passphrase.
#[derive(Deserialize)]
struct Derivation {
    method: String,
    iterations: u64,
    memory: Option<u64>,
    parallelism: Option<u64>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let label = given(&options.label);
        let subsystem = label
            .as_ref()
            .map(|_| options.subsystem.clone().unwrap_or_default());
        let size = options.sector_size.filter(|size| *size != 0);
        let pbkdf = &options.pbkdf;
        Command::new("cryptsetup")
            .args(["-q", "--uuid", &options.uuid, "luksFormat"])
            .args(["--type", "luks2", "--force-password"])
            .option("--cipher", given(&options.cipher))
            .option("--label", label)
            .option("--subsystem", subsystem)
            .option("--sector-size", size.map(|size| size.to_string()))
            .option("--integrity", given(&options.integrity))
            .args(["--pbkdf", &pbkdf.method])
            .args(["--pbkdf-force-iterations", &pbkdf.iterations.to_string()])
            .args(["--pbkdf-memory", &pbkdf.memory.unwrap_or(32).to_string()])
            .args([
                "--pbkdf-parallel",
                &pbkdf.parallelism.unwrap_or(1).to_string(),
            ])
            .arg(luks::device(&arguments)?)
            .stdin(options.passphrase.as_bytes())
            .run()
    })
}
