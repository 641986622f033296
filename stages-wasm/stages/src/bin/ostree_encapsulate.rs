//! Export a commit as an OCI archive.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, Error, Result};
use osbuild_stage_common::ostree;
use serde::Deserialize;
use std::process::ExitCode;

/// The first version of rpm-ostree that has the command below `compose`.
const BELOW_COMPOSE: (u32, u32) = (2023, 2);

#[derive(Deserialize)]
struct Options {
    filename: String,
    #[serde(default)]
    cmd: Vec<String>,
    #[serde(default)]
    copymeta: Vec<String>,
    format_version: Option<u64>,
    #[serde(default)]
    labels: Vec<String>,
    max_layers: Option<u64>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let input = arguments.input("commit")?;
        let commit = ostree::only_commit(input)?;
        let versions = Command::new("rpm-ostree").arg("--version").capture_text()?;
        let archive = format!("oci-archive:{}", tree.path(&options.filename));
        Command::new("rpm-ostree")
            .flag("compose", version(&versions)? >= BELOW_COMPOSE)
            .args(["container-encapsulate", &commit.id, &archive])
            .args(flags(options, &input.path))
            .run()
    })
}

/// Year and release from the YAML that rpm-ostree prints of itself.
fn version(text: &str) -> Result<(u32, u32)> {
    let value = text
        .lines()
        .skip_while(|line| line.trim_end() != "rpm-ostree:")
        .find_map(|line| line.trim().strip_prefix("Version:"));
    let value = value.map(|value| value.trim().trim_matches(['\'', '"']));
    let numbers = value.and_then(|value| {
        let (year, release) = value.split_once('.')?;
        let release = release.split('.').next()?;
        Some((year.parse().ok()?, release.parse().ok()?))
    });
    numbers.ok_or_else(|| Error::new("rpm-ostree --version does not tell its version"))
}

fn flags(options: &Options, repository: &str) -> Vec<String> {
    let format = options.format_version.unwrap_or(1).to_string();
    let mut flags: Vec<String> = ["--format-version", &format, "--repo", repository]
        .map(Into::into)
        .into();
    if !options.cmd.is_empty() {
        flags.extend(["--cmd".into(), options.cmd.join(" ")]);
    }
    for (flag, values) in [
        ("--copymeta", &options.copymeta),
        ("--label", &options.labels),
    ] {
        flags.extend(values.iter().flat_map(|value| [flag.into(), value.clone()]));
    }
    if let Some(layers) = options.max_layers.filter(|layers| *layers != 0) {
        flags.extend(["--max-layers".into(), layers.to_string()]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_year_and_release() {
        let text = "rpm-ostree:\n Version: '2023.10'\n Git: 1\n Features:\n  - rust\n";
        assert_eq!(version(text).unwrap(), (2023, 10));
        assert!(version("rpm-ostree:\n Git: 1\n").is_err());
    }

    #[test]
    fn options_become_flags() {
        let options = serde_json::from_str(
            r#"{"filename": "/f", "cmd": ["a", "b"], "labels": ["l=1", "m=2"], "max_layers": 3}"#,
        )
        .unwrap();
        assert_eq!(
            flags(&options, "/r").join("|"),
            "--format-version|1|--repo|/r|--cmd|a b|--label|l=1|--label|m=2|--max-layers|3"
        );
    }
}
