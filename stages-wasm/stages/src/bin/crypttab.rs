//! Write etc/crypttab.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Volume {
    volume: String,
    uuid: Option<String>,
    path: Option<String>,
    keyfile: Option<String>,
    #[serde(default)]
    options: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| {
        let lines: Vec<String> = arguments
            .options
            .volumes
            .iter()
            .map(line)
            .collect::<Result<_>>()?;
        arguments.tree.write("etc/crypttab", lines.concat())
    })
}

fn line(entry: &Volume) -> Result<String> {
    let device = match (&entry.uuid, &entry.path) {
        (Some(uuid), _) if !uuid.is_empty() => format!("UUID={uuid}"),
        (_, Some(path)) if !path.is_empty() => path.clone(),
        _ => bail!("volume {}: one of uuid and path is needed", entry.volume),
    };
    let keyfile = entry
        .keyfile
        .as_deref()
        .filter(|keyfile| !keyfile.is_empty());
    let keyfile = keyfile.unwrap_or("none");
    // systemd-cryptsetup-generator(8) takes the fields as they are: it knows neither quotes nor escapes.
    word("volumes.volume", &entry.volume)?;
    word("volumes.path", &device)?;
    word("volumes.keyfile", keyfile)?;
    if !entry.options.is_empty() {
        word("volumes.options", &entry.options)?;
    }
    Ok(format!(
        "{}\t{device}\t{keyfile}\t{}\n",
        entry.volume, entry.options
    ))
}
