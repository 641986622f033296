//! The lines of a script.
use osbuild_stage::{Error, Result};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether it may fail.
    pub may_fail: bool,
}

/// The commands of a script. Words are those of a shell; lists in braces stand for a word of each of their members.
pub fn lines(text: &str) -> Result<Vec<Line>> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(line)
        .collect()
}

fn line(text: &str) -> Result<Line> {
    let words = shlex::split(text)
        .ok_or_else(|| Error::new(format!("line `{text}`: a quotation is not closed")))?;
    let mut words = words.iter().flat_map(|word| expand(word));
    let command = words.next().unwrap_or_default();
    let may_fail = command.starts_with('-');
    Ok(Line {
        command: command.trim_start_matches('-').into(),
        arguments: words.collect(),
        may_fail,
    })
}

/// The words that a word with lists in braces stands for; inner lists first.
fn expand(word: &str) -> Vec<String> {
    let parts = || {
        let (before, rest) = word.split_once('}')?;
        let (start, list) = before.rsplit_once('{')?;
        list.contains(',').then_some((start, list, rest))
    };
    match parts() {
        None => vec![word.into()],
        Some((start, list, rest)) => list
            .split(',')
            .flat_map(|member| expand(&format!("{start}{member}{rest}")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_braces_are_expanded() {
        assert_eq!(
            expand("/a/{b,c}.{d,e}"),
            ["/a/b.d", "/a/b.e", "/a/c.d", "/a/c.e"]
        );
        assert_eq!(expand("{a,{b,c}d}"), ["a", "bd", "a", "cd"]);
        assert_eq!(expand("${x}"), ["${x}"]);
    }

    #[test]
    fn lines_are_commands() {
        let lines = lines("\n# no\n  -remove 'a b' {c,d}\nmkdir x\n").unwrap();
        assert_eq!(lines[0].arguments, ["a b", "c", "d"]);
        assert!(lines[0].may_fail && lines[0].command == "remove" && !lines[1].may_fail);
        assert!(super::lines("x 'y").is_err());
    }
}
