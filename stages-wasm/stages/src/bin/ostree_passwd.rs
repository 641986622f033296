//! Seed the user databases of the build tree from an ostree checkout.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stderr,
    reason = "standard error of a component is its log"
)]
use osbuild_stage::{Arguments, IndexMap, Result, Tree};
use osbuild_stage_common::ostree;
use serde::de::IgnoredAny;
use std::process::ExitCode;

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<IgnoredAny>| -> Result<()> {
        let tree = &arguments.tree;
        let input = arguments.input("commits")?;
        let commit = ostree::only_commit(input)?;
        let checkout = input.tree().below(&commit.checkout);
        tree.create_dir_all("etc")?;
        for name in ["passwd", "group"] {
            let changed = checkout.read_if_exists(&format!("usr/etc/{name}"))?;
            let shipped = checkout.read_to_string(&format!("usr/lib/{name}"))?;
            tree.write(
                &format!("etc/{name}"),
                merged(&changed.unwrap_or_default(), &shipped),
            )?;
        }
        ["subuid", "subgid"]
            .iter()
            .try_for_each(|name| ranges(&checkout, tree, name))
    })
}

/// Entries of `changed`, then those of `shipped` with other names.
fn merged(changed: &str, shipped: &str) -> String {
    let mut entries = IndexMap::new();
    for line in changed.split_inclusive('\n') {
        entries.insert(name(line), line);
    }
    for (name, line) in shipped
        .split_inclusive('\n')
        .map(|line| (name(line), line))
        .collect::<IndexMap<_, _>>()
    {
        entries.entry(name).or_insert(line);
    }
    entries.values().copied().collect()
}

fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

fn ranges(checkout: &Tree, tree: &Tree, name: &str) -> Result<()> {
    let Some(text) = checkout.read_if_exists(&format!("usr/etc/{name}"))? else {
        return Ok(());
    };
    match subordinate_ids(&text) {
        ids if ids.is_empty() => Ok(()),
        ids => tree.write(&format!("etc/{name}"), ids),
    }
}

/// The last range of every name, at the place of its first.
fn subordinate_ids(text: &str) -> String {
    let mut ranges = IndexMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split(':').collect::<Vec<_>>()[..] {
            [name, start, count] => drop(ranges.insert(name, (start, count))),
            _ => eprintln!("warning: `{line}` is no range of ids and is left out"),
        }
    }
    let line = |(name, (start, count))| format!("{name}:{start}:{count}\n");
    ranges.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_entries_win_and_come_first() {
        assert_eq!(
            merged("bin:y\nnew:1\n", "root:0\nbin:x\nlast:2"),
            "bin:y\nnew:1\nroot:0\nlast:2"
        );
    }

    #[test]
    fn the_last_range_of_a_name_counts() {
        assert_eq!(
            subordinate_ids("# c\na:1:2\n\nb:3:4\na:9:9\nbad\n"),
            "a:9:9\nb:3:4\n"
        );
    }
}
