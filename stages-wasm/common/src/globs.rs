//! Shell patterns over the names of a tree.
use glob::{MatchOptions, Pattern};
use osbuild_stage::{Error, Result, Tree, path};

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

/// Paths of a tree that match a pattern, sorted by their bytes; they begin with `/`. Dangling links are found too.
pub fn expand(tree: &Tree, pattern: &str) -> Result<Vec<String>> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for directory in &found {
            next.extend(names(tree, directory, part)?);
        }
        found = next;
    }
    Ok(found)
}

fn names(tree: &Tree, directory: &str, part: &str) -> Result<Vec<String>> {
    let below = |name: &str| format!("{directory}/{name}");
    if !part.contains(['*', '?', '[']) {
        let path = below(part);
        return Ok(tree
            .exists_itself(&path)?
            .then_some(path)
            .into_iter()
            .collect());
    }
    if !tree.is_dir(directory)? {
        return Ok(Vec::new());
    }
    // `**` means no more than `*` here.
    let pattern = parse(&part.replace("**", "*"))?;
    let entries = tree.list(path::join("/", directory).as_str())?;
    let names = entries.iter().map(|entry| entry.name.as_str());
    Ok(names
        .filter(|name| pattern.matches_with(name, SHELL))
        .map(below)
        .collect())
}
