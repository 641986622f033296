//! Write etc/resolv.conf.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, FileType, Result, Tree, bail};
use osbuild_stage_common::fields::word;
use serde::Deserialize;
use std::process::ExitCode;

const PATH: &str = "etc/resolv.conf";

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Options {
    nameserver: Vec<String>,
    search: Vec<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run_with_lines(&[], |arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let named = |option| move |value: &String| word(option, value);
        options.search.iter().try_for_each(named("search"))?;
        options
            .nameserver
            .iter()
            .try_for_each(named("nameserver"))?;
        remove_old(tree)?;
        tree.create_dir_all("etc")?;
        tree.write(PATH, text(options))
    })
}

/// Removes a file or a link, wherever that leads.
fn remove_old(tree: &Tree) -> Result<()> {
    if !tree.exists_itself(PATH)? {
        return Ok(());
    }
    if tree.lstat(PATH)?.kind == FileType::Directory {
        bail!("/{PATH} is a directory");
    }
    tree.remove(PATH)
}

fn text(options: &Options) -> String {
    let mut text = String::from("# Written by osbuild-wasm.\n");
    if !options.search.is_empty() {
        text += &format!("search {}\n", options.search.join(" "));
    }
    let servers = options.nameserver.iter();
    text.extend(servers.map(|server| format!("nameserver {server}\n")));
    text
}
