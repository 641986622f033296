//! Write a NetworkManager connection profile.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, IndexMap, Result};
use osbuild_stage_common::nm;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

const PROFILES: &str = "usr/lib/NetworkManager/system-connections";

#[derive(Deserialize)]
struct Options {
    path: Option<String>,
    filename: Option<String>,
    settings: IndexMap<String, Map<String, Value>>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let options = &arguments.options;
        let mut file = nm::file();
        for (section, keys) in &options.settings {
            nm::add(&mut file, section, keys)?;
        }
        nm::write(&arguments.tree, &path(options)?, &file)
    })
}

fn path(options: &Options) -> Result<String> {
    match (&options.path, &options.filename) {
        (Some(path), _) if !path.is_empty() => Ok(path.clone()),
        (_, Some(name)) => Ok(format!("{PROFILES}/{name}")),
        _ => Err(Error::new("one of `path` and `filename` is needed")),
    }
}
