//! Path patterns of rights.
mod alias;
pub(crate) mod name;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use reference::{Expansion, key, steps};

use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// Where the directories of the contract are, by the scheme that rights and options use.
const SCHEMES: [(&str, &str); 5] = [
    ("tree://", "/run/osbuild/tree"),
    ("input://", "/run/osbuild/inputs/"),
    ("mount://", "/run/osbuild/mounts/"),
    ("device://", "/dev/"),
    ("build://", ""),
];

/// Stands for any number of directories.
const ANY: &str = "**";

/// A set of paths, written like
///
/// - `/etc/*.conf`: names in a directory of the tree; `?` and `[...]` as in a shell, never across `/`;
/// - `/usr/share/**`: a directory and everything below it;
/// - `input://NAME/**`, `mount://NAME/**`, `device://*`, `build:///etc/os-release`: outside of the tree; a mount goes by its name where the
///   stage has one of that name, and `mount:///usr` by where it is;
/// - `${/items/~}`, `${/paths/*/path}`: the keys or values at a JSON pointer of the stage's options, `*` standing for every member. A value
///   may name a scheme itself, and a relative one lies in the tree; `..` in it is resolved in the text, as stages do. What the options do
///   not have is no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Names and patterns of names under the paths of the contract, with one `/` between them and none before the first.
    path: Box<str>,
}

/// How much of a path a pattern covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Nothing of it.
    None,
    /// Something that may be below the path.
    Above,
    /// The path itself.
    Path,
    /// The path and all that may be below it.
    Below,
}

/// A pattern that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("path pattern {pattern:?}: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// The patterns that `text` means for these options: one for each combination of what its references stand for. It is an error if
    /// these are many times longer than the options.
    pub fn expand(text: &str, options: &Value) -> Result<Vec<Self>, PatternError> {
        Expansion::new(options).expand(text)
    }

    /// A pattern without references.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (root, rest) = match SCHEMES.iter().find(|(scheme, _)| text.starts_with(scheme)) {
            Some((scheme, root)) => (*root, &text[scheme.len()..]),
            None if text.contains("://") => {
                let known: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
                return Err(format!("unknown scheme; known are {}", known.join(" ")));
            }
            None => ("/run/osbuild/tree/", text),
        };
        let mut path = String::with_capacity(root.len() + rest.len());
        let names = root.split('/').chain(rest.split('/'));
        // A name may begin where the root ends: `mount://root`, but also `tree://x`.
        for part in names.filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => return Err("`..` has no place in a pattern".into()),
                ANY => {}
                part if part.contains(ANY) => {
                    return Err("`**` stands for directories, so it is a name of its own".into());
                }
                part => name::check(part)?,
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
        }
        Ok(Self { path: path.into() })
    }

    fn parts(&self) -> Vec<&str> {
        let parts = self.path.split('/');
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// The one path that it means; none where it has wildcards.
    pub(crate) fn literal(&self) -> Option<String> {
        let names = self.parts().into_iter().map(name::literal);
        Some(format!("/{}", names.collect::<Option<Vec<_>>>()?.join("/")))
    }

    /// Whether every path of `other` is surely in this set too. What cannot be told (`/a?` and `/a*`) counts as not.
    pub fn contains(&self, other: &Self) -> bool {
        contains(&self.parts(), &other.parts())
    }

    /// How much of `path` is in the set.
    pub fn covers(&self, path: &str) -> Coverage {
        let names: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
        covers(&self.parts(), &names)
    }
}

/// All ways to match are followed at once, so that no pattern takes longer than its length times that of the path.
fn covers(parts: &[&str], names: &[&str]) -> Coverage {
    let mut reached = start(parts);
    for name in names {
        let mut next = vec![false; parts.len() + 1];
        for (index, part) in reached_parts(parts, &reached) {
            match part {
                ANY => next[index] = true,
                pattern => next[index + 1] |= name::matches(pattern, name),
            }
        }
        skip_any(parts, &mut next);
        reached = next;
    }
    let coverage = |index: usize| match &parts[index..] {
        [] => Coverage::Path,
        [ANY] => Coverage::Below,
        _ => Coverage::Above,
    };
    let ends = (0..=parts.len()).filter(|index| reached[*index]);
    ends.map(coverage).max().unwrap_or(Coverage::None)
}

/// All ways to match are followed at once; a `**` is only ever matched by another one.
fn contains(parts: &[&str], others: &[&str]) -> bool {
    let mut reached = start(parts);
    for other in others {
        let mut next = vec![false; parts.len() + 1];
        for (index, part) in reached_parts(parts, &reached) {
            match (part, *other) {
                (ANY, _) => next[index] = true,
                (_, ANY) => {}
                (pattern, name) => next[index + 1] |= contains_name(pattern, name),
            }
        }
        skip_any(parts, &mut next);
        reached = next;
    }
    reached[parts.len()]
}

/// The parts that come first.
fn start(parts: &[&str]) -> Vec<bool> {
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    skip_any(parts, &mut reached);
    reached
}

/// The parts that may come next, with their places.
fn reached_parts<'a>(
    parts: &[&'a str],
    reached: &[bool],
) -> impl Iterator<Item = (usize, &'a str)> {
    let pairs = parts.iter().zip(reached).enumerate();
    pairs.filter_map(|(index, (part, reached))| reached.then_some((index, *part)))
}

/// `**` may stand for no name at all.
fn skip_any(parts: &[&str], reached: &mut [bool]) {
    for (index, part) in parts.iter().enumerate() {
        reached[index + 1] |= reached[index] && *part == ANY;
    }
}

fn contains_name(pattern: &str, name: &str) -> bool {
    pattern == name || pattern == "*" || name::is_literal(name) && name::matches(pattern, name)
}

/// As a document writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&format!("/{}", self.path)))
    }
}

/// The pattern that means just this path, written as in rights, or all below it too.
pub fn exactly(path: &str, below: bool) -> String {
    let path = name::escape(path);
    match below {
        true if path.ends_with("://") => format!("{path}**"),
        true => format!("{}/**", path.trim_end_matches('/')),
        false => path,
    }
}

/// A path of the contract as rights write it: `/etc/passwd` for `/run/osbuild/tree/etc/passwd`, else with a scheme.
pub fn shown(path: &str) -> String {
    let of_scheme = |(scheme, root): &(&str, &str)| {
        // Of the directory that holds them all the scheme is the name.
        if root.ends_with('/') && path == root.trim_end_matches('/') {
            return Some((*scheme).to_owned());
        }
        let below = path.strip_prefix(root)?;
        match *scheme {
            "tree://" if below.is_empty() => Some("/".to_owned()),
            "tree://" if !below.starts_with('/') => None,
            "tree://" => Some(below.to_owned()),
            scheme => Some(format!("{scheme}{below}")),
        }
    };
    SCHEMES
        .iter()
        .find_map(of_scheme)
        .unwrap_or(path.to_owned())
}
