//! Copy a range of bytes over the start of a file in the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, OpenMode, Result, Tree};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    src: String,
    dst: String,
    #[serde(default)]
    src_offset: u64,
    count: u64,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let source = Tree::contract().open(&arguments.locate(&options.src)?)?;
        if !tree.exists(&options.dst)? {
            tree.create(&options.dst)?;
        }
        let target = tree.open_as(&options.dst, OpenMode::Update)?;
        target
            .copy_from(&source, options.src_offset, 0, options.count)
            .with_context(|| format!("cannot copy {} to {}", options.src, options.dst))
            .map(drop)
    })
}
