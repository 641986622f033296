//! Shell patterns over the names of a tree.
use glob::{MatchOptions, Pattern};
use osbuild_stage::{Error, Result, Tree};

/// As a shell: `*` neither crosses `/` nor matches a dot at the start of a name.
const SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A pattern.
pub fn parse(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| Error::new(format!("pattern `{text}`: {error}")))
}

/// Paths of a tree that match a pattern, sorted by their bytes; they begin with `/`. Dangling links are found too. Only directories that
/// have to be listed are looked at, so that those above what was granted need not be.
pub fn expand(tree: &Tree, pattern: &str) -> Result<Vec<String>> {
    let mut found = vec![String::new()];
    let mut is_certain = false;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        is_certain = part.contains(['*', '?', '[']);
        let mut next = Vec::new();
        for directory in &found {
            if is_certain {
                next.extend(names(tree, directory, part)?);
            } else {
                next.push(format!("{directory}/{part}"));
            }
        }
        found = next;
    }
    if is_certain {
        return Ok(found);
    }
    let mut there = Vec::new();
    for path in found {
        if tree.exists_itself(&path)? {
            there.push(path);
        }
    }
    Ok(there)
}

fn names(tree: &Tree, directory: &str, part: &str) -> Result<Vec<String>> {
    if !tree.is_dir(directory)? {
        return Ok(Vec::new());
    }
    // `**` means no more than `*` here.
    let pattern = parse(&part.replace("**", "*"))?;
    let entries = tree.list(directory)?;
    let names = entries.iter().map(|entry| entry.name.as_str());
    Ok(names
        .filter(|name| pattern.matches_with(name, SHELL))
        .map(|name| format!("{directory}/{name}"))
        .collect())
}
