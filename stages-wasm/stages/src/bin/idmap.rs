//! Shift the owners of everything below directories by id maps.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Context, Error, FileType, IndexMap, Metadata, Result, Tree};
use serde::Deserialize;
use std::collections::HashSet;
use std::process::ExitCode;

/// Owner of what no map covers.
const NOBODY: u32 = 65534;

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    items: IndexMap<String, Item>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Maps(Vec<String>),
    Names { user: String, group: String },
}

/// Maps of users and of groups.
#[derive(Default)]
struct Maps {
    users: Vec<Range>,
    groups: Vec<Range>,
}

/// `size` ids from `outside` become those from `inside`.
#[derive(Clone, Copy)]
struct Range {
    inside: u32,
    outside: u32,
    size: u32,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let tree = &arguments.tree;
        arguments.options.items.iter().try_for_each(|(path, item)| {
            let maps = item.maps(tree)?;
            shift(tree, path, &maps).with_context(|| format!("cannot map the owners of {path}"))
        })
    })
}

impl Item {
    fn maps(&self, tree: &Tree) -> Result<Maps> {
        match self {
            Self::Maps(entries) => {
                let mut maps = Maps::default();
                for entry in entries {
                    maps.add(entry)
                        .ok_or_else(|| Error::new(format!("Invalid idmap entry: '{entry}'")))?;
                }
                Ok(maps)
            }
            Self::Names { user, group } => Ok(Maps {
                users: subordinate(tree, "etc/subuid", user)?,
                groups: subordinate(tree, "etc/subgid", group)?,
            }),
        }
    }
}

impl Maps {
    /// Adds `[u:|g:|b:]INSIDE:OUTSIDE:SIZE`; none when it is something else.
    fn add(&mut self, entry: &str) -> Option<()> {
        let (kind, numbers) = match entry.split_once(':')? {
            (kind @ ("u" | "g" | "b"), rest) => (kind, rest),
            _ => ("b", entry),
        };
        let parts: Vec<&str> = numbers.split(':').collect();
        let [inside, outside, size] = parts.as_slice() else {
            return None;
        };
        let range = Range::parse(inside, outside, size)?;
        if kind != "g" {
            self.users.push(range);
        }
        if kind != "u" {
            self.groups.push(range);
        }
        Some(())
    }

    /// New owner and group. An id that no range covers stays, unless neither is covered.
    fn apply(&self, uid: u32, gid: u32) -> (u32, u32) {
        match (mapped(&self.users, uid), mapped(&self.groups, gid)) {
            (None, None) => (NOBODY, NOBODY),
            (user, group) => (user.unwrap_or(uid), group.unwrap_or(gid)),
        }
    }
}

impl Range {
    fn parse(inside: &str, outside: &str, size: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if ![inside, outside, size].into_iter().all(digits) || size.starts_with('0') {
            return None;
        }
        let range = Self {
            inside: inside.parse().ok()?,
            outside: outside.parse().ok()?,
            size: size.parse().ok()?,
        };
        range.inside.checked_add(range.size - 1)?;
        Some(range)
    }
}

fn mapped(ranges: &[Range], id: u32) -> Option<u32> {
    let offset = |range: &Range| id.checked_sub(range.outside).filter(|at| *at < range.size);
    ranges
        .iter()
        .find_map(|range| Some(range.inside + offset(range)?))
}

/// The first range of a name in etc/subuid or etc/subgid, for ids from 0.
fn subordinate(tree: &Tree, file: &str, name: &str) -> Result<Vec<Range>> {
    let text = tree.read_if_exists(file)?.unwrap_or_default();
    let entry = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(entry) = entry else {
        return Ok(Vec::new());
    };
    let range = entry
        .trim()
        .split_once(':')
        .and_then(|(start, count)| Range::parse(start, "0", count));
    range
        .map(|range| vec![range])
        .ok_or_else(|| Error::new(format!("{file}: the entry of `{name}` is no range")))
}

fn shift(tree: &Tree, path: &str, maps: &Maps) -> Result<()> {
    let start = tree.lstat(path)?;
    if start.kind != FileType::Directory {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let mut change = |path: &str, metadata: &Metadata| {
        let once =
            metadata.kind == FileType::Directory || seen.insert((metadata.device, metadata.inode));
        // A link to a directory keeps its owner, as with osbuild.
        let link_to_directory = metadata.kind == FileType::SymbolicLink && tree.is_dir(path)?;
        match once && !link_to_directory {
            true => change_owner(tree, path, metadata, maps),
            false => Ok(()),
        }
    };
    change(path, &start)?;
    tree.walk(path, &mut change)
}

fn change_owner(tree: &Tree, path: &str, metadata: &Metadata, maps: &Maps) -> Result<()> {
    let (uid, gid) = maps.apply(metadata.uid, metadata.gid);
    if (uid, gid) == (metadata.uid, metadata.gid) {
        return Ok(());
    }
    tree.set_owner_itself(path, Some(uid), Some(gid))?;
    // Changing the owner clears the set-id bits.
    if metadata.kind != FileType::SymbolicLink && tree.lstat(path)?.mode != metadata.mode {
        tree.set_mode(path, metadata.mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_range_that_covers_an_id_maps_it() {
        let mut maps = Maps::default();
        for entry in ["u:100:0:10", "b:200:5:10", "g:7:1:1"] {
            maps.add(entry).unwrap();
        }
        for ((uid, gid), new) in [
            ((0, 5), (100, 200)),
            ((9, 1), (109, 7)),
            ((14, 99), (209, 99)),
            ((15, 0), (NOBODY, NOBODY)),
        ] {
            assert_eq!(maps.apply(uid, gid), new);
        }
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for entry in [
            "1:2",
            "1:2:0",
            "1:2:03",
            "x:1:2:3",
            "u:1:2:3:4",
            "1:-2:3",
            "1:+2:3",
            "4294967295:0:2",
        ] {
            assert!(Maps::default().add(entry).is_none(), "{entry}");
        }
    }
}
