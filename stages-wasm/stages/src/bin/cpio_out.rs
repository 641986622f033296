//! Create or extend a cpio archive of an input tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Error, Result, Tree};
use osbuild_stage_common::accounts::Table;
use osbuild_stage_common::cpio::{self, Format, Owner};
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    filename: String,
    #[serde(default)]
    append: bool,
    #[serde(default)]
    format: Format,
    #[serde(default, rename = "root-node")]
    root_node: RootNode,
    reproducible: Option<bool>,
    owner: Option<Names>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum RootNode {
    #[default]
    Include,
    Omit,
}

#[derive(Deserialize)]
struct Names {
    user: String,
    group: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| -> Result<()> {
        let options = &arguments.options;
        let input = arguments.input("tree")?.tree();
        let owner = match &options.owner {
            Some(names) => names.owner(&input)?,
            None => Owner::default(),
        };
        let how = cpio::Options {
            format: options.format,
            reproducible: options.reproducible.unwrap_or(true),
            append: options.append,
            root: options.root_node == RootNode::Include,
            owner,
        };
        cpio::create(&input, &arguments.tree, &options.filename, how)
    })
}

impl Names {
    fn owner(&self, tree: &Tree) -> Result<Owner> {
        let group = self.group.as_deref();
        Ok(Owner {
            uid: Some(number(tree, "etc/passwd", &self.user)?),
            gid: group
                .map(|group| number(tree, "etc/group", group))
                .transpose()?,
        })
    }
}

/// A number, root, or a name of the tree.
fn number(tree: &Tree, database: &str, name: &str) -> Result<u32> {
    if let Ok(number) = name.trim_start_matches('+').parse() {
        return Ok(number);
    }
    if name == "root" {
        return Ok(0);
    }
    let table = Table::read_if_exists(tree, database)?.unwrap_or_default();
    table
        .entry(name)
        .and_then(|entry| entry.get(2)?.parse().ok())
        .ok_or_else(|| Error::new(format!("`{name}` is no number and not in /{database}")))
}
