//! Change owner and group of paths; names are those of the tree's own databases.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Error, IndexMap, Number, Result, Tree};
use osbuild_stage_common::accounts::Table;
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    items: IndexMap<String, Item>,
}

#[derive(Deserialize)]
struct Item {
    user: Option<Value>,
    group: Option<Value>,
    #[serde(default)]
    recursive: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        arguments.options.items.iter().try_for_each(|(key, item)| {
            change(tree, key, item).with_context(|| format!("chown {key}"))
        })
    })
}

fn change(tree: &Tree, key: &str, item: &Item) -> Result<()> {
    let uid = item
        .user
        .as_ref()
        .map(|user| id(tree, "etc/passwd", user))
        .transpose()?;
    let gid = item
        .group
        .as_ref()
        .map(|group| id(tree, "etc/group", group))
        .transpose()?;
    if !item.recursive {
        return tree.set_owner(key, uid, gid);
    }
    // A recursive chown follows no links, the first one included.
    tree.set_owner_itself(key, uid, gid)?;
    if tree.lstat(key)?.kind == osbuild_stage::FileType::Directory {
        tree.walk(key, &mut |path, _| tree.set_owner_itself(path, uid, gid))?;
    }
    Ok(())
}

/// A name is looked up first, even one of digits; what is no name must be a number.
fn id(tree: &Tree, table: &str, wanted: &Value) -> Result<u32> {
    let text = match wanted {
        Value::String(name) => name.clone(),
        Value::Number(number) => Number::from(number).to_string(),
        other => {
            return Err(Error::new(format!(
                "{other} is neither a name nor a number"
            )));
        }
    };
    let known = Table::read_if_exists(tree, table)?.and_then(|table| table.id_of(&text));
    // The last number means "leave it as it is" to the kernel.
    let number = text.parse().ok().filter(|id| *id != u32::MAX);
    known
        .or(number)
        .ok_or_else(|| Error::new(format!("/{table} of the tree has no `{text}`")))
}
