//! Boot loader entries: `loader/entries/*.conf`.
use osbuild_stage::{FileType, Result, Tree, bail};

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

/// Appends kernel arguments to all entries below `boot`, of which there must be one.
pub fn append(tree: &Tree, boot: &str, arguments: &[String]) -> Result<()> {
    let entries = entries(tree, boot)?;
    if entries.is_empty() {
        bail!("no boot loader entry in {boot}/loader/entries/*.conf");
    }
    entries.iter().try_for_each(|entry| {
        let text = with_arguments(&tree.read_to_string(entry)?, &arguments.join(" "));
        tree.replace(entry, text, 0o644)
    })
}

/// The arguments go to the first line `options`; without one they get a line at the end.
fn with_arguments(text: &str, arguments: &str) -> String {
    let mut found = false;
    let mut out = String::new();
    for line in text.lines() {
        out += line;
        if !found && line.starts_with("options ") {
            found = true;
            out += &format!(" {arguments}");
        }
        out.push('\n');
    }
    if !found {
        out += &format!("options {arguments}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_to_the_first_options_line() {
        for (text, expected) in [
            (
                "title a\noptions x\noptions y",
                "title a\noptions x 1 2\noptions y\n",
            ),
            ("options\nlinux /v\n", "options\nlinux /v\noptions 1 2\n"),
            ("", "options 1 2\n"),
        ] {
            assert_eq!(with_arguments(text, "1 2"), expected, "{text}");
        }
    }
}
