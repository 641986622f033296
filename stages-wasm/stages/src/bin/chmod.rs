//! Change file modes of paths in the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, FileType, IndexMap, Metadata, Result, Tree, bail, path};
use osbuild_stage_common::mode::Changes;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    items: IndexMap<String, Item>,
}

#[derive(Deserialize)]
struct Item {
    mode: String,
    #[serde(default)]
    recursive: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        arguments.options.items.iter().try_for_each(|(key, item)| {
            change(tree, key, item).with_context(|| format!("chmod {key}"))
        })
    })
}

fn change(tree: &Tree, key: &str, item: &Item) -> Result<()> {
    let inside = path::normal(&tree.path(key)).starts_with(tree.root());
    if !inside || !tree.exists(key)? {
        bail!("path {key} not in tree");
    }
    let changes: Changes = item.mode.parse()?;
    let start = tree.stat(key)?;
    apply(tree, key, &start, &changes)?;
    if item.recursive && start.kind == FileType::Directory {
        // Links below have no mode of their own.
        tree.walk(key, &mut |path, metadata| match metadata.kind {
            FileType::SymbolicLink => Ok(()),
            _ => apply(tree, path, metadata, &changes),
        })?;
    }
    Ok(())
}

fn apply(tree: &Tree, path: &str, metadata: &Metadata, changes: &Changes) -> Result<()> {
    tree.set_mode(
        path,
        changes.apply(metadata.mode, metadata.kind == FileType::Directory),
    )
}
