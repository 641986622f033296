//! Write etc/fstab.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Number, Result, bail};
use osbuild_stage_common::fields;
use osbuild_stage_common::ostree::Deployment;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    ostree: Option<Ostree>,
    filesystems: Vec<FileSystem>,
}

#[derive(Deserialize)]
struct Ostree {
    deployment: Deployment,
}

#[derive(Deserialize)]
struct FileSystem {
    uuid: Option<String>,
    label: Option<String>,
    partlabel: Option<String>,
    device: Option<String>,
    path: String,
    vfs_type: Option<String>,
    options: Option<String>,
    freq: Option<Number>,
    passno: Option<Number>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let root = match &arguments.options.ostree {
            Some(ostree) => arguments
                .tree
                .below(&ostree.deployment.path(&arguments.tree)?),
            None => arguments.tree,
        };
        let lines: Vec<String> = arguments
            .options
            .filesystems
            .iter()
            .map(line)
            .collect::<Result<_>>()?;
        root.write("etc/fstab", lines.concat())
    })
}

fn line(entry: &FileSystem) -> Result<String> {
    let zero = Number::from(0);
    Ok(format!(
        "{}\t{}\t{}\t{}\t{}\t{}\n",
        fields::fstab("filesystems", &device(entry)?)?,
        fields::fstab("filesystems.path", &entry.path)?,
        fields::fstab("filesystems.vfs_type", given(&entry.vfs_type, "none"))?,
        fields::fstab("filesystems.options", given(&entry.options, "defaults"))?,
        entry.freq.as_ref().unwrap_or(&zero),
        entry.passno.as_ref().unwrap_or(&zero),
    ))
}

/// An empty field would make the reader take the next one for it.
fn given<'a>(value: &'a Option<String>, otherwise: &'a str) -> &'a str {
    let value = value.as_deref().filter(|value| !value.is_empty());
    value.unwrap_or(otherwise)
}

/// The first that is given and not empty.
fn device(entry: &FileSystem) -> Result<String> {
    let tags = [
        ("UUID=", &entry.uuid),
        ("LABEL=", &entry.label),
        ("PARTLABEL=", &entry.partlabel),
        ("", &entry.device),
    ];
    for (tag, value) in tags {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            return Ok(format!("{tag}{value}"));
        }
    }
    bail!(
        "file system at {}: one of uuid, label, partlabel and device is needed",
        entry.path
    )
}
