//! Decompress a gzip file into the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Tree};
use osbuild_stage_common::decompress;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    path: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let source = arguments.input("file")?.single_file()?;
        let mut target = arguments.tree.create(&arguments.options.path)?;
        let mut stream = decompress::gzip(Tree::contract().open(&source)?)
            .with_context(|| format!("cannot decompress {source}"))?;
        std::io::copy(&mut stream, &mut target)
            .with_context(|| format!("cannot decompress {source}"))
            .map(drop)
    })
}
