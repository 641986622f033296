//! Create groups.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, IndexMap, Number, Result, Tree, bail};
use osbuild_stage_common::accounts::Database;
use serde::Deserialize;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    groups: IndexMap<String, Group>,
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
struct Group {
    gid: Option<Number>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        options
            .groups
            .iter()
            .try_for_each(|(name, group)| add(tree, name, group, options.force))
    })
}

/// A gid of 0 means none.
fn add(tree: &Tree, name: &str, group: &Group, force: bool) -> Result<()> {
    let gid = match group.gid.as_ref().map(|gid| (gid, gid.integer::<u32>())) {
        Some((gid, None)) => bail!("group `{name}`: {gid} is no gid"),
        Some((_, gid)) => gid.filter(|gid| *gid != 0),
        None => None,
    };
    let mut database = Database::read(tree)?;
    if force && database.group.entry(name).is_some() {
        return Ok(());
    }
    database.add_group(name, gid, force)?;
    database.write(tree)
}
