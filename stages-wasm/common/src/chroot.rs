//! Programs of the tree, run with the tree as `/`.
use osbuild_stage::{Command, Result, Tree};

/// Where the sandbox mounts its own file systems for such a program; they stay in the tree as empty directories.
const MOUNT_POINTS: [&str; 3] = ["proc", "dev", "sys"];

/// A program of the tree, after making what the sandbox needs.
pub fn command(tree: &Tree, program: &str) -> Result<Command> {
    mount_points(tree)?;
    Ok(Command::new(program).in_tree())
}

/// Makes the mount points that a program running in the tree needs.
pub fn mount_points(tree: &Tree) -> Result<()> {
    MOUNT_POINTS
        .iter()
        .try_for_each(|directory| tree.create_dir_all(directory))
}
