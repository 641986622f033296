//! Convert a plain tree to the ostree layout and let rpm-ostree finish it.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, FileType, Result, Tree};
use osbuild_stage_common::commit;
use osbuild_stage_common::temporary::Temporary;
use osbuild_stage_common::treefile::{MACHINE_ID, PostProcess};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(flatten)]
    post_process: PostProcess,
    #[serde(rename = "tmp-is-dir")]
    tmp_is_dir: Option<bool>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let has_machine_id = tree.exists(MACHINE_ID)?;
        tree.rename("etc", "usr/etc")?;
        let old = set_aside(tree)?;
        commit::new_root(tree, "/", options.tmp_is_dir.unwrap_or(true))?;
        move_back(tree, &old)?;
        drop(old);
        options.post_process.run(tree, has_machine_id)
    })
}

/// Moves everything at the top of the tree into a directory of its own.
fn set_aside(tree: &Tree) -> Result<Temporary> {
    let old = Temporary::new(tree)?;
    for entry in tree.list("/")? {
        if entry.name != old.name() {
            tree.rename(&entry.name, &old.path(&entry.name))?;
        }
    }
    Ok(old)
}

/// What is not moved back goes away with the old root.
fn move_back(tree: &Tree, old: &Temporary) -> Result<()> {
    for name in commit::PARTS {
        tree.rename(&old.path(name), name)?;
    }
    let home = old.path("home");
    let is_home = tree.exists_itself(&home)? && tree.lstat(&home)?.kind == FileType::Directory;
    if is_home && !tree.list(&home)?.is_empty() {
        tree.rename(&home, "var/home")?;
    }
    for name in commit::OF_USR {
        if tree.exists_itself(&old.path(name))? {
            tree.rename(&old.path(name), name)?;
        }
    }
    Ok(())
}
