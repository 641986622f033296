//! Set the system locale.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, bail};
use osbuild_stage_common::systemd::{env_line, is_safe_name};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    language: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let language = &arguments.options.language;
        if !is_safe_name(language) {
            bail!("`{language}` is no valid locale name");
        }
        let tree = &arguments.tree;
        // What osbuild removes, whoever reads it.
        tree.remove_if_exists("etc/locale.conf")?;
        let (directory, file) = if is_debian(tree)? {
            ("etc/default", "etc/default/locale")
        } else {
            ("etc", "etc/locale.conf")
        };
        tree.create_dir_all(directory)?;
        tree.remove_if_exists(file)?;
        tree.write(file, env_line("LANG", language))
    })
}

/// Whether the tree is a Debian or made from one: what reads the locale there, systemd too, knows another file (Debian's
/// systemd-firstboot writes it).
fn is_debian(tree: &Tree) -> Result<bool> {
    let text = match tree.read_if_exists("etc/os-release")? {
        None => tree.read_if_exists("usr/lib/os-release")?,
        text => text,
    };
    let text = text.unwrap_or_default();
    let values = text.lines().filter_map(|line| line.split_once('='));
    let mut values = values.filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"));
    Ok(values.any(|(_, value)| {
        let value = value.trim_matches(['"', '\'']);
        value.split_whitespace().any(|id| id == "debian")
    }))
}
