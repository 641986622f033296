//! Extended attributes of files that are not kept: the format of an archive has no place for them, or they are not restored from it.
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use osbuild_stage::{Result, Tree};
use std::collections::BTreeMap;

/// What is lost: for each attribute, how many files have it, and the first of them.
#[derive(Debug, Default)]
pub struct Losses(BTreeMap<String, (u64, String)>);

impl Losses {
    /// Notes an attribute of a file.
    pub fn note(&mut self, name: &str, path: &str) {
        let loss = self.0.entry(name.to_owned());
        loss.or_insert_with(|| (0, path.to_owned())).0 += 1;
    }

    /// Notes the attributes of a file of the tree.
    pub fn note_all(&mut self, tree: &Tree, path: &str) -> Result<()> {
        let names = tree.xattrs(path)?;
        names.iter().for_each(|name| self.note(name, path));
        Ok(())
    }

    /// Says in one line of the log what is lost.
    pub fn log(&self) {
        let losses = self.0.iter().map(|(name, (count, first))| match count {
            1 => format!("{name} of {first}"),
            more => format!("{name} of {first} and {} more", more - 1),
        });
        let losses: Vec<_> = losses.collect();
        if !losses.is_empty() {
            eprintln!("attributes are lost: {}", losses.join(", "));
        }
    }
}
