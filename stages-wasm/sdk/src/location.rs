//! Location strings: `tree:///PATH`, `mount://NAME/PATH`, `input://NAME/PATH`; a text without `://` is a path in the tree.
//!
//! They are parsed as URLs: what follows `?` or `#` is cut off, and the host part of a `tree` location means nothing. `..` is resolved
//! in the text and cannot climb above the root. A `/` at the end becomes `/.`, which tells copying tools "the content of".
use crate::{Result, bail, path};

/// Where a location starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The tree.
    Tree,
    /// A mount of the stage, or with an empty name the directory of all mounts.
    Mount,
    /// An input of the stage.
    Input,
}

/// A parsed location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Where it starts.
    pub scheme: Scheme,
    /// Name of the mount or input.
    pub name: String,
    /// Absolute path below it, `.` and `..` resolved.
    pub path: String,
    /// Whether the text ended in `/`.
    pub content: bool,
}

/// Parses a location.
pub fn parse(text: &str) -> Result<Location> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tree", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "tree" => Scheme::Tree,
        "mount" => Scheme::Mount,
        "input" => Scheme::Input,
        other => {
            bail!("location {text}: unknown scheme `{other}`, known are tree, mount and input")
        }
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let Some(slash) = rest.find('/') else {
        bail!("location {text}: the path must start with `/`");
    };
    let (name, below) = rest.split_at(slash);
    Ok(Location {
        scheme,
        name: name.into(),
        path: path::normal(below),
        content: below.ends_with('/'),
    })
}

impl Location {
    /// The contract path of this location below `root`.
    pub fn below(&self, root: &str) -> String {
        let joined = path::normal(&path::join(root, &self.path));
        match (self.content, joined.as_str()) {
            (false, _) => joined,
            (true, "/") => "/.".into(),
            (true, _) => joined + "/.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_become_paths() {
        for (text, expected) in [
            ("tree:///etc/passwd", "/t/etc/passwd"),
            ("tree://ignored/etc", "/t/etc"),
            ("TREE:///etc", "/t/etc"),
            ("/etc", "/t/etc"),
            ("tree:///", "/t/."),
            ("tree:///etc/", "/t/etc/."),
            ("tree:///../../x/./y//z", "/t/x/y/z"),
            ("tree:///a/..", "/t"),
            ("tree:///a?b", "/t/a"),
            ("tree:///a#b/", "/t/a"),
        ] {
            assert_eq!(parse(text).unwrap().below("/t"), expected, "{text}");
        }
    }

    #[test]
    fn a_location_needs_a_known_scheme_and_an_absolute_path() {
        for text in ["etc", "tree://etc", "file:///etc", "tree://?/a", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
