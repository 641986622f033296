//! Commit an input tree to a repository of the output.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, CopyOptions, Tree, path};
use osbuild_stage_common::commit::Commit;
use osbuild_stage_common::temporary::Temporary;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Commit>| {
        let tree = &arguments.tree;
        let input = arguments.input("tree")?;
        let work = Temporary::new(tree)?;
        let root = work.path("root");
        tree.create_dir(&root)?;
        let how = CopyOptions {
            remove_destination: false,
            follow: false,
        };
        // rpm-ostree changes what it commits.
        Tree::contract().copy(&path::join(&input.path, "."), &tree.path(&root), how)?;
        arguments
            .options
            .run(tree, &work, &root, &arguments.meta.id)
    })
}
