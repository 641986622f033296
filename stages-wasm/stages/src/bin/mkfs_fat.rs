//! Create a FAT file system.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    volid: String,
    label: Option<String>,
    #[serde(rename = "fat-size")]
    fat_size: Option<u32>,
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
struct Geometry {
    heads: u32,
    #[serde(rename = "sectors-per-track")]
    sectors_per_track: u32,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let label = options.label.as_deref().filter(|label| !label.is_empty());
        let geometry = options
            .geometry
            .as_ref()
            .map(|geometry| format!("{}/{}", geometry.heads, geometry.sectors_per_track));
        Command::new("mkfs.fat")
            .args(["-I", "-i", &options.volid])
            .option("-n", label)
            .option("-F", options.fat_size.map(|size| size.to_string()))
            .option("-g", geometry)
            .arg(arguments.device("device")?)
            .run()
    })
}
