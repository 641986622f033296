//! Path patterns of rights.
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

/// A set of paths, written like
///
/// - `/etc/*.conf`: names in a directory of the tree; `?` and `[...]` as in a shell, never across `/`;
/// - `/usr/share/**`: a directory and everything below it;
/// - `input://NAME/**`, `mount://**`, `device://*`, `build:///etc/os-release`: outside of the tree;
/// - `${/items/~}`, `${/paths/*/path}`: the keys or values at a JSON pointer of the stage's options, `*` standing for every member. A value
///   may name a scheme itself, and a relative one lies in the tree; `..` in it is resolved in the text, as stages do. What the options do
///   not have is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Name(glob::Pattern),
    Any,
}

impl Part {
    /// Whether it is this name and nothing else.
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(pattern) if pattern.as_str() == name)
    }
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

/// The names of the tree's own path.
const TREE: [&str; 3] = ["run", "osbuild", "tree"];

/// Directories that are links in most trees, with what they lead to (file-hierarchy(7); the last ones in those of ostree). A path of
/// the options means the same place whichever name it takes. Links elsewhere carry no right.
const ALIASES: [(&[&str], &[&str]); 15] = [
    (&["bin"], &["usr", "bin"]),
    (&["sbin"], &["usr", "sbin"]),
    (&["lib"], &["usr", "lib"]),
    (&["lib64"], &["usr", "lib64"]),
    (&["usr", "sbin"], &["usr", "bin"]),
    (&["var", "run"], &["run"]),
    (&["var", "lock"], &["run", "lock"]),
    (&["home"], &["var", "home"]),
    (&["root"], &["var", "roothome"]),
    (&["srv"], &["var", "srv"]),
    (&["opt"], &["var", "opt"]),
    (&["mnt"], &["var", "mnt"]),
    (&["media"], &["run", "media"]),
    (&["usr", "local"], &["var", "usrlocal"]),
    (&["ostree"], &["sysroot", "ostree"]),
];

/// A pattern that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("path pattern {pattern:?}: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// The patterns that `text` means for these options: one for each combination of what its references stand for.
    pub fn expand(text: &str, options: &Value) -> Result<Vec<Self>, PatternError> {
        let error = |reason: String| PatternError {
            pattern: text.to_owned(),
            reason,
        };
        let mut texts = vec![String::new()];
        let mut rest = text;
        while let Some((literal, reference)) = rest.split_once("${") {
            let (pointer, after) = reference
                .split_once('}')
                .ok_or_else(|| error("a reference ${...} is not closed".into()))?;
            let values = resolve(pointer, options).map_err(&error)?;
            texts = texts
                .iter()
                .flat_map(|text| {
                    let start = format!("{text}{literal}");
                    values
                        .iter()
                        .map(move |value| format!("{start}{}", glob::Pattern::escape(value)))
                })
                .collect();
            rest = after;
        }
        let parsed = texts
            .iter()
            .map(|text| Self::parse(&format!("{text}{rest}")).map_err(&error));
        let mut patterns = parsed.collect::<Result<Vec<_>, _>>()?;
        if text.contains("${") {
            let others: Vec<_> = patterns.iter().flat_map(Self::other_names).collect();
            patterns.extend(others);
        }
        Ok(patterns)
    }

    /// The same places under the other names of their directory.
    pub(crate) fn other_names(&self) -> Vec<Self> {
        let mut names = vec![self.clone()];
        let mut next = 0;
        while let Some(pattern) = names.get(next) {
            let others = ALIASES.iter();
            let others: Vec<_> = others
                .filter_map(|(from, to)| pattern.alias(from, to))
                .collect();
            names.extend(others);
            next += 1;
        }
        names.split_off(1)
    }

    /// The same places under their other name, if the first names are those of `from` in the tree.
    fn alias(&self, from: &[&str], to: &[&str]) -> Option<Self> {
        let (root, below) = self.parts.split_at_checked(TREE.len())?;
        let names = |parts: &[Part], names: &[&str]| {
            let mut pairs = parts.iter().zip(names);
            parts.len() >= names.len() && pairs.all(|(part, name)| part.is(name))
        };
        if !names(root, &TREE) || !names(below, from) {
            return None;
        }
        let to = to
            .iter()
            .map(|name| Some(Part::Name(glob::Pattern::new(name).ok()?)));
        let mut parts = root.to_vec();
        parts.extend(to.collect::<Option<Vec<_>>>()?);
        parts.extend_from_slice(below.get(from.len()..)?);
        Some(Self { parts })
    }

    /// A pattern without references.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let path = match SCHEMES.iter().find(|(scheme, _)| text.starts_with(scheme)) {
            Some((scheme, root)) => format!("{root}{}", &text[scheme.len()..]),
            None if text.contains("://") => {
                let known: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
                return Err(format!("unknown scheme; known are {}", known.join(" ")));
            }
            None => format!("/run/osbuild/tree/{text}"),
        };
        let mut parts = Vec::new();
        for name in path
            .split('/')
            .filter(|name| !name.is_empty() && *name != ".")
        {
            parts.push(match name {
                ".." => return Err("`..` has no place in a pattern".into()),
                "**" => Part::Any,
                name => Part::Name(glob::Pattern::new(name).map_err(|error| error.to_string())?),
            });
        }
        Ok(Self { parts })
    }

    /// Whether every path of `other` is surely in this set too. What cannot be told (`/a?` and `/a*`) counts as not.
    pub fn contains(&self, other: &Self) -> bool {
        contains(&self.parts, &other.parts)
    }

    /// How much of `path` is in the set.
    pub fn covers(&self, path: &str) -> Coverage {
        let names: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
        covers(&self.parts, &names)
    }
}

/// All ways to match are followed at once, so that no pattern takes longer than its length times that of the path.
fn covers(parts: &[Part], names: &[&str]) -> Coverage {
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    skip_any(parts, &mut reached);
    for name in names {
        let mut next = vec![false; parts.len() + 1];
        for (index, part) in parts
            .iter()
            .enumerate()
            .filter(|(index, _)| reached[*index])
        {
            match part {
                Part::Any => next[index] = true,
                Part::Name(pattern) => next[index + 1] |= pattern.matches(name),
            }
        }
        skip_any(parts, &mut next);
        reached = next;
    }
    let coverage = |index: usize| match &parts[index..] {
        [] => Coverage::Path,
        [Part::Any] => Coverage::Below,
        _ => Coverage::Above,
    };
    let ends = (0..=parts.len()).filter(|index| reached[*index]);
    ends.map(coverage).max().unwrap_or(Coverage::None)
}

/// `**` may stand for no name at all.
fn skip_any(parts: &[Part], reached: &mut [bool]) {
    for (index, part) in parts.iter().enumerate() {
        reached[index + 1] |= reached[index] && *part == Part::Any;
    }
}

/// All ways to match are followed at once; a `**` is only ever matched by another one.
fn contains(parts: &[Part], others: &[Part]) -> bool {
    let skip = |states: &mut Vec<bool>| {
        for (index, part) in parts.iter().enumerate() {
            states[index + 1] |= states[index] && *part == Part::Any;
        }
    };
    let mut states = vec![false; parts.len() + 1];
    states[0] = true;
    skip(&mut states);
    for other in others {
        let mut next = vec![false; parts.len() + 1];
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| states[*index]) {
            match (part, other) {
                (Part::Any, _) => next[index] = true,
                (Part::Name(pattern), Part::Name(name)) => {
                    next[index + 1] |= contains_name(pattern, name);
                }
                (Part::Name(_), Part::Any) => {}
            }
        }
        skip(&mut next);
        states = next;
    }
    states[parts.len()]
}

fn contains_name(pattern: &glob::Pattern, name: &glob::Pattern) -> bool {
    let is_literal = |name: &str| !name.contains(['*', '?', '[']);
    pattern == name
        || pattern.as_str() == "*"
        || is_literal(name.as_str()) && pattern.matches(name.as_str())
}

/// As a document writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Name(pattern) => pattern.as_str(),
                Part::Any => "**",
            })
            .collect();
        f.write_str(&shown(&format!("/{}", parts.join("/"))))
    }
}

/// The pattern that means just this path, written as in rights, or all below it too.
pub fn exactly(path: &str, below: bool) -> String {
    let path = glob::Pattern::escape(path);
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

/// The texts that a reference stands for.
fn resolve(pointer: &str, options: &Value) -> Result<Vec<String>, String> {
    let mut found = vec![options.clone()];
    let steps = pointer
        .strip_prefix('/')
        .ok_or_else(|| format!("${{{pointer}}} must begin with `/`"))?;
    for step in steps.split('/') {
        found = found
            .iter()
            .flat_map(|value| members(value, step))
            .collect();
    }
    let text = |value: Value| match value {
        Value::String(text) => Some(meaning(&text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(found.into_iter().filter_map(text).collect())
}

/// What a stage takes a path or a location for: `..` does not lead above the root, and locations are URLs.
fn meaning(value: &str) -> String {
    let (start, path) = match value.split_once("://") {
        None => (String::new(), value),
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let scheme = scheme.to_ascii_lowercase();
            // The tree has no name.
            let name = if scheme == "tree" { "" } else { name };
            (format!("{scheme}://{name}"), path)
        }
    };
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{slash}{}", names.join("/"))
}

fn members(value: &Value, step: &str) -> Vec<Value> {
    match (value, step) {
        (Value::Array(items), "*") => items.clone(),
        (Value::Object(map), "*") => map.values().cloned().collect(),
        (Value::Object(map), "~") => map.keys().cloned().map(Value::String).collect(),
        (Value::Object(map), step) => map
            .get(&step.replace("~1", "/").replace("~0", "~"))
            .cloned()
            .into_iter()
            .collect(),
        (Value::Array(items), step) => step
            .parse::<usize>()
            .ok()
            .and_then(|index| items.get(index).cloned())
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Pattern {
        Pattern::expand(text, &json!({})).expect(text).remove(0)
    }

    #[test]
    fn a_path_of_the_options_has_the_other_names_of_its_directory_too() {
        let names = |path: &str| {
            let options = json!({ "path": path });
            let patterns = Pattern::expand("${/path}/**", &options).unwrap();
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            names("/sbin/x"),
            ["/sbin/x/**", "/usr/sbin/x/**", "/usr/bin/x/**"]
        );
        assert_eq!(names("tree:///opt/x"), ["/opt/x/**", "/var/opt/x/**"]);
        assert_eq!(names("/library/x"), ["/library/x/**"]);
        assert_eq!(names("mount:///bin/x").len(), 1);
        assert_eq!(Pattern::expand("/bin/*", &json!({})).unwrap().len(), 1);
    }

    #[test]
    fn a_pattern_covers_paths_of_the_contract() {
        for (pattern, path, coverage) in [
            (
                "/etc/hostname",
                "/run/osbuild/tree/etc/hostname",
                Coverage::Path,
            ),
            ("/etc/hostname", "/run/osbuild/tree/etc", Coverage::Above),
            (
                "/etc/hostname",
                "/run/osbuild/tree/etc/hostname/x",
                Coverage::None,
            ),
            (
                "/etc/*.conf",
                "/run/osbuild/tree/etc/a.conf",
                Coverage::Path,
            ),
            (
                "/etc/*.conf",
                "/run/osbuild/tree/etc/d/a.conf",
                Coverage::None,
            ),
            ("/usr/**", "/run/osbuild/tree/usr", Coverage::Below),
            ("/usr/**", "/run/osbuild/tree/usr/a/b", Coverage::Below),
            ("/usr/**/x", "/run/osbuild/tree/usr/a/b/x", Coverage::Path),
            ("/usr/**/x", "/run/osbuild/tree/usr/x/b", Coverage::Above),
            ("/**", "/run/osbuild/tree", Coverage::Below),
            ("/**", "/run/osbuild/inputs/a", Coverage::None),
            ("input://**", "/run/osbuild/inputs/a", Coverage::Below),
            (
                "mount://root/boot/*",
                "/run/osbuild/mounts/root/boot/a",
                Coverage::Path,
            ),
            ("device://*", "/dev/loop0", Coverage::Path),
            ("build:///etc/os-release", "/etc/os-release", Coverage::Path),
        ] {
            assert_eq!(one(pattern).covers(path), coverage, "{pattern} {path}");
        }
    }

    #[test]
    fn containment_is_never_claimed_wrongly() {
        for (larger, smaller, expected) in [
            ("/etc/**", "/etc/a/b", true),
            ("/etc/**", "/etc/*.conf", true),
            ("/**", "/etc/**", true),
            ("/etc/*", "/etc/*.conf", true),
            ("/etc/*.conf", "/etc/a.conf", true),
            ("/etc/a[*]", "/etc/a[*]", true),
            ("/usr/**/x", "/usr/a/x", true),
            ("/etc/?", "/etc/*", false),
            ("/etc/a?", "/etc/a*", false),
            ("/etc/*", "/etc/**", false),
            ("/etc/a", "/etc/**", false),
            ("/etc/*", "/etc/a/b", false),
            ("/**", "mount://**", false),
        ] {
            assert_eq!(
                one(larger).contains(&one(smaller)),
                expected,
                "{larger} {smaller}"
            );
        }
    }

    #[test]
    fn references_stand_for_values_of_the_options() {
        let options = json!({"paths": [{"path": "/a*"}, {"path": "tree:///b"}, {"path": "mount://r/c"}], "items": {"d": {}}});
        let shown = |text: &str| {
            let patterns = Pattern::expand(text, &options).expect(text);
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown("${/paths/*/path}"), ["/a[*]", "/b", "mount://r/c"]);
        assert_eq!(shown("${/items/~}/**"), ["/d/**"]);
        assert_eq!(shown("/etc/${/paths/0/path}.d"), ["/etc/a[*].d"]);
        assert!(shown("/x/${/missing}").is_empty());
    }

    #[test]
    fn a_value_means_what_a_stage_takes_it_for() {
        for (value, expected) in [
            ("/a/../../b", "/b"),
            ("../c/./d", "/c/d"),
            ("tree:///../a/../c.cfg?x#y", "/c.cfg"),
            ("TREE://host/a/", "/a"),
            ("mount://r/../x", "mount://r/x"),
            ("input://i", "input://i"),
        ] {
            let options = json!({ "path": value });
            let patterns = Pattern::expand("${/path}", &options).expect(value);
            assert_eq!(patterns[0].to_string(), expected, "{value}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        for text in ["/a/../b", "ftp://x", "${/a", "${a}", "/[x"] {
            assert!(Pattern::expand(text, &json!({"a": "b"})).is_err(), "{text}");
        }
    }
}
