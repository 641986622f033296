//! Settings in configuration files that hold one on each line.
use osbuild_stage::{FileType, Result, Tree};

/// The text with settings changed: the first line for which `changed` returns something is replaced by it, and a setting without such
/// a line is added to the end by `added`. Lines have their newline; a last line without one is continued by what is added, as osbuild
/// does.
pub fn set<S>(
    text: &str,
    settings: Vec<S>,
    changed: impl Fn(&S, &str) -> Option<String>,
    added: impl Fn(&S) -> String,
) -> String {
    let mut pending = settings;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let found = pending.iter().enumerate();
        match found
            .filter_map(|(at, setting)| Some((at, changed(setting, line)?)))
            .next()
        {
            Some((at, replacement)) => {
                pending.remove(at);
                out += &replacement;
            }
            None => out += line,
        }
    }
    out.extend(pending.iter().map(added));
    out
}

/// The two parts of a line with exactly one separator. The second one ends with the newline of the line.
pub fn pair<'a>(line: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (key, value) = line.split_once(separator)?;
    (!value.contains(separator)).then_some((key, value))
}

/// Text with every line ended by a newline alone.
pub fn unix(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Puts a new file with changed text in place of the old one, which gives it its permissions.
pub fn replace(tree: &Tree, path: &str, change: impl FnOnce(&str) -> String) -> Result<()> {
    let text = unix(&tree.read_to_string(path)?);
    let mode = tree.stat(path)?.mode;
    put(tree, path, change(&text), mode)
}

/// Puts a new file in place of the old one, if there is one. A link stays, and what it leads to is overwritten.
pub fn put(tree: &Tree, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let is_link = tree.exists_itself(path)? && tree.lstat(path)?.kind == FileType::SymbolicLink;
    match is_link {
        true => tree.write(path, content),
        false => tree.replace(path, content, mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        let changed = |(key, value): &(&str, &str), line: &str| {
            let (name, _) = pair(line, "=")?;
            (name == *key).then(|| format!("{key}={value}\n"))
        };
        let settings = vec![("a", "1"), ("b", "2")];
        let text = set(before, settings, changed, |(key, value)| {
            format!("{key}={value}\n")
        });
        assert_eq!(text, after, "{before:?}");
    }

    #[test]
    fn the_first_line_is_changed_and_what_is_left_is_added() {
        check("", "a=1\nb=2\n");
        check("b=0\nx\nb=0\n", "b=2\nx\nb=0\na=1\n");
        check("a=0=0\na=0", "a=0=0\na=1\nb=2\n");
    }

    #[test]
    fn a_last_line_without_newline_is_continued() {
        check("a=0\nx", "a=1\nxb=2\n");
    }

    #[test]
    fn foreign_line_ends_become_newlines() {
        assert_eq!(unix("a\r\nb\rc\n"), "a\nb\nc\n");
    }
}
