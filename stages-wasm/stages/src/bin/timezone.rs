//! Set the time zone.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, bail};
use serde::Deserialize;
use std::process::ExitCode;

/// Where the tree keeps its time zones.
const ZONES: &str = "usr/share/zoneinfo";
/// How a compiled time zone file begins (tzfile(5)).
const MAGIC: &[u8] = b"TZif";

#[derive(Deserialize)]
struct Options {
    zone: String,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, zone) = (&arguments.tree, &arguments.options.zone);
        if !is_name(zone) {
            bail!("`{zone}` is no valid name of a time zone");
        }
        if zone != "UTC" && !is_zone(tree, &format!("{ZONES}/{zone}"))? {
            bail!("the tree has no time zone `{zone}` below /{ZONES}");
        }
        tree.create_dir_all("etc")?;
        tree.remove_if_exists("etc/localtime")?;
        tree.symlink(&format!("../{ZONES}/{zone}"), "etc/localtime")
    })
}

fn is_name(zone: &str) -> bool {
    zone.split('/').all(|part| !part.is_empty())
        && zone
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte))
}

fn is_zone(tree: &Tree, path: &str) -> Result<bool> {
    Ok(tree.is_file(path)? && tree.open(path)?.read_at(0, MAGIC.len())? == MAGIC)
}
