//! Space for files that only a program of the stage reads.
use osbuild_stage::{Result, Tree};

/// An empty directory at the top of the tree, where programs find it too; removed when dropped.
#[derive(Debug)]
pub struct Temporary {
    tree: Tree,
    name: String,
}

impl Temporary {
    /// Makes it under a name that the tree does not have.
    pub fn new(tree: &Tree) -> Result<Self> {
        let mut number = 0;
        let name = loop {
            let name = format!(".osbuild-wasm-{number}");
            if !tree.exists_itself(&name)? {
                break name;
            }
            number += 1;
        };
        tree.create_dir_with_mode(&name, 0o700)?;
        Ok(Self {
            tree: tree.clone(),
            name,
        })
    }

    /// Its name in the tree.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path in the tree of something in it.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed here makes the removal of the whole tree fail as well.
        let _ = self.tree.remove_all(&self.name);
    }
}
