//! Boot loader entries: `loader/entries/*.conf`.
use osbuild_stage::{FileType, Result, Tree};

/// Paths of the entries below `boot`, sorted; without such a directory there are none. Dot files are no entries.
pub fn entries(tree: &Tree, boot: &str) -> Result<Vec<String>> {
    let directory = format!("{boot}/loader/entries");
    if !tree.is_dir(&directory)? {
        return Ok(Vec::new());
    }
    let names = tree
        .list(&directory)?
        .into_iter()
        .filter(|entry| entry.kind != FileType::Directory);
    let names = names
        .map(|entry| entry.name)
        .filter(|name| name.ends_with(".conf") && !name.starts_with('.'));
    Ok(names.map(|name| format!("{directory}/{name}")).collect())
}

/// The keys of an entry with their values, in the order of the file; every line is a key, a blank and a value.
pub fn parse(text: &str) -> Option<Vec<(&str, &str)>> {
    text.lines().map(|line| line.split_once(' ')).collect()
}

/// The value of a key.
pub fn value<'a>(entry: &[(&'a str, &'a str)], key: &str) -> Option<&'a str> {
    entry
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, value)| *value)
}
