//! Extract an archive into the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Result, Tree, bail};
use osbuild_stage_common::{decompress, tar};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    prefix: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let source = arguments.input("file")?.single_file()?;
        let prefix = &arguments.options.prefix;
        if !arguments.tree.is_dir(prefix)? {
            bail!("{prefix}: the tree has no such directory to extract into");
        }
        let archive = decompress::any(Tree::contract().open(&source)?)?;
        let losses = tar::extract(archive, &arguments.tree.below(prefix))
            .with_context(|| format!("archive {source}"))?;
        losses.log();
        Ok(())
    })
}
