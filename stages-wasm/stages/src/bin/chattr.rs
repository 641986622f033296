//! Set or clear the inode flag "immutable".
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, IndexMap, Tree};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    items: IndexMap<String, Item>,
}

#[derive(Deserialize)]
struct Item {
    immutable: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.items.iter().try_for_each(|(key, item)| {
            Tree::contract()
                .set_immutable(&arguments.locate(key)?, item.immutable)
                .with_context(|| format!("cannot change the flag of {key}"))
        })
    })
}
