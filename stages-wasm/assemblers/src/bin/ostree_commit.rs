//! Convert the tree to the layout of an OSTree commit and commit it to a new repository.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, CopyOptions, Result, Tree};
use osbuild_stage_common::commit::{self, Commit, DESCRIPTION, REPOSITORY};
use osbuild_stage_common::compress::Method;
use osbuild_stage_common::tar::{self, Format, Transform};
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(flatten)]
    commit: Commit,
    #[serde(rename = "tmp-is-dir")]
    tmp_is_dir: Option<bool>,
    tar: Option<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    filename: String,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let (output, options) = (&arguments.tree, &arguments.options);
        let work = Temporary::new(output)?;
        let root = work.path("root");
        output.create_dir(&root)?;
        commit::new_root(output, &root, options.tmp_is_dir.unwrap_or(true))?;
        fill(&arguments.input("tree")?.tree(), &output.below(&root))?;
        Command::new("ostree")
            .args(["init", "--mode=archive"])
            .arg(format!("--repo={}", output.path(REPOSITORY)))
            .run()?;
        options
            .commit
            .run(output, &work, &root, &arguments.meta.id)?;
        drop(work);
        options
            .tar
            .as_ref()
            .map_or(Ok(()), |archive| archive.write(output))
    })
}

fn fill(tree: &Tree, root: &Tree) -> Result<()> {
    let how = CopyOptions {
        remove_destination: false,
        follow: false,
    };
    let copy = |name: &str| Tree::contract().copy(&tree.path(name), root.root(), how);
    commit::PARTS.iter().try_for_each(|name| copy(name))?;
    for name in commit::OF_USR {
        if tree.exists_itself(name)? {
            copy(name)?;
        }
    }
    Ok(())
}

impl Archive {
    /// Moves repository and description into the archive.
    fn write(&self, output: &Tree) -> Result<()> {
        let how = tar::Options {
            format: Format::Gnu,
            compression: Method::for_name(&self.filename)?,
            acls: false,
            selinux: false,
            xattrs: &[],
            sparse: false,
            numeric_owner: false,
            transform: Transform::default(),
        };
        let members = [REPOSITORY, DESCRIPTION].map(String::from);
        tar::create(output, &members, output.create(&self.filename)?, &how)?;
        members.iter().try_for_each(|name| output.remove_all(name))
    }
}
