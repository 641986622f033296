//! Replacement texts of regular expressions.
use osbuild_stage::{Result, bail};

/// A parsed replacement text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Python's syntax: `\1` and `\g<1>` are groups, `\n` and its like control characters, `\\` a backslash.
    pub fn python(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            parts.push(Part::Text(rest[..at].into()));
            let escape = &rest[at + 1..];
            let (part, length) = match python_escape(escape) {
                Some(found) => found,
                None => bail!("bad escape in replacement `{text}` at `\\{escape}`"),
            };
            parts.push(part);
            rest = &escape[length..];
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// The text with its groups; a group that did not take part is empty.
    pub fn expand(&self, groups: &[&str]) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(number) => groups.get(*number).copied().unwrap_or_default().into(),
        };
        self.0.iter().map(part).collect()
    }
}

/// The meaning of what follows a backslash, and its length.
fn python_escape(escape: &str) -> Option<(Part, usize)> {
    let letter = escape.chars().next()?;
    if let Some(group) = escape.strip_prefix("g<") {
        let end = group.find('>')?;
        return Some((Part::Group(group[..end].parse().ok()?), end + 3));
    }
    let text = match letter {
        '1'..='9' => return Some((Part::Group(letter.to_digit(10)? as usize), 1)),
        'n' => "\n",
        't' => "\t",
        'r' => "\r",
        'a' => "\x07",
        'b' => "\x08",
        'f' => "\x0c",
        'v' => "\x0b",
        '\\' => "\\",
        letter if letter.is_ascii_alphanumeric() => return None,
        other => return Some((Part::Text(format!("\\{other}")), other.len_utf8())),
    };
    Some((Part::Text(text.into()), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_python() {
        for (text, expanded) in [
            ("/b", "/b"),
            (r"\1/\g<0>", "one/all"),
            (r"a\\n\n", "a\\n\n"),
            (r"\.", r"\."),
            (r"\2", ""),
        ] {
            assert_eq!(
                Replacement::python(text).unwrap().expand(&["all", "one"]),
                expanded,
                "{text}"
            );
        }
        for text in [r"\q", r"\", r"\g<x>"] {
            assert!(Replacement::python(text).is_err(), "{text}");
        }
    }
}
