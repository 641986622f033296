//! Trees of files: made of JSON, looked at, compared.
use crate::case::CaseError;
use rustix::fs::{AtFlags, CWD, lgetxattr, llistxattr, statat};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// One object of a tree as a case writes it: `{"content": TEXT}`, `{"link": TEXT}` or `{"dir": true}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// A file with this text.
    pub content: Option<String>,
    /// A symbolic link with this text.
    pub link: Option<String>,
    /// A directory.
    #[serde(default)]
    pub dir: bool,
    /// Permission bits, octal.
    pub mode: Option<String>,
}

impl Entry {
    fn mode(&self) -> Option<u32> {
        u32::from_str_radix(self.mode.as_deref()?, 8).ok()
    }
}

/// Makes the objects in the directory `tree`, with directories that lead to them.
pub fn make(tree: &Path, entries: &BTreeMap<String, Entry>) -> Result<(), CaseError> {
    fs::create_dir_all(tree).map_err(CaseError::io(tree))?;
    for (name, entry) in entries {
        let path = below(tree, name);
        make_one(&path, entry).map_err(CaseError::io(&path))?;
    }
    // Last, so that what lies in a directory without permissions could be made.
    for (name, entry) in entries.iter().rev() {
        if let Some(mode) = entry.mode() {
            let path = below(tree, name);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
                .map_err(CaseError::io(&path))?;
        }
    }
    Ok(())
}

fn below(tree: &Path, name: &str) -> PathBuf {
    tree.join(name.trim_start_matches('/'))
}

fn make_one(path: &Path, entry: &Entry) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match (&entry.link, &entry.content) {
        (Some(text), _) => symlink(text, path),
        (None, Some(content)) => fs::write(path, content),
        (None, None) => fs::create_dir_all(path),
    }
}

/// Says so when there is an object `name` in `tree`.
pub fn present(tree: &Path, name: &str) -> Option<String> {
    let found = fs::symlink_metadata(below(tree, name)).is_ok();
    found.then(|| format!("{name} is there"))
}

/// What is wrong with the object `name` of `tree`; none: it is as `entry` says.
pub fn differs(tree: &Path, name: &str, entry: &Entry) -> Option<String> {
    let path = below(tree, name);
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        return Some(format!("{name} is missing"));
    };
    if let Some(text) = &entry.link {
        return match fs::read_link(&path) {
            Ok(found) if found == Path::new(text) => None,
            Ok(found) => Some(format!("{name} is a link to {}", found.display())),
            Err(_) => Some(format!("{name} is no link")),
        };
    }
    // Where a link leads depends on the process that follows it, so links are not followed.
    if let Ok(text) = fs::read_link(&path) {
        return Some(format!("{name} is a link to {}", text.display()));
    }
    if let Some(content) = &entry.content {
        let found = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        if found != *content {
            return Some(format!("{name} holds {found:?}, not {content:?}"));
        }
    } else if !metadata.is_dir() {
        return Some(format!("{name} is no directory"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    entry
        .mode()
        .filter(|wanted| *wanted != mode)
        .map(|wanted| format!("{name} has mode {mode:o}, not {wanted:o}"))
}

/// Everything about one object that a stage can decide; times are not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is, with its content.
    pub kind: Kind,
    /// Permission bits with set-id and sticky.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Extended attributes, in the order of their names.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file and its bytes.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link and its text.
    Link(PathBuf),
    /// A device node, fifo or socket: its type bits and its device number.
    Node(u32, u64),
}

/// All objects below a directory by path, which begins with `/`; the directory itself is `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<PathBuf, Object>);

impl Snapshot {
    /// Looks at a directory. Links are not followed. Meant for small trees: contents are held in memory.
    pub fn of(directory: &Path) -> Result<Self, CaseError> {
        let mut objects = BTreeMap::new();
        let mut todo = vec![PathBuf::new()];
        while let Some(name) = todo.pop() {
            let path = directory.join(&name);
            let object = look(&path).map_err(CaseError::io(&path))?;
            if object.kind == Kind::Directory {
                for entry in fs::read_dir(&path).map_err(CaseError::io(&path))? {
                    todo.push(name.join(entry.map_err(CaseError::io(&path))?.file_name()));
                }
            }
            objects.insert(Path::new("/").join(name), object);
        }
        Ok(Self(objects))
    }

    /// What has changed since `before`, by path.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let paths = self.0.keys().chain(before.0.keys());
        let mut paths: Vec<_> = paths.collect();
        paths.sort();
        paths.dedup();
        let change = |path: &PathBuf| {
            let effects = effects(before.0.get(path), self.0.get(path));
            let path = path.clone();
            (!effects.is_empty()).then_some(Change { path, effects })
        };
        paths.into_iter().filter_map(change).collect()
    }
}

fn look(path: &Path) -> std::io::Result<Object> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File(fs::read(path)?),
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Link(fs::read_link(path)?),
        _ => Kind::Node(
            metadata.mode() & !0o7777,
            statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?.st_rdev,
        ),
    };
    Ok(Object {
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        xattrs: xattrs(path)?,
    })
}

fn xattrs(path: &Path) -> std::io::Result<BTreeMap<OsString, Vec<u8>>> {
    // The kernel's limit of a list and of a value.
    let mut buffer = vec![0; 1 << 16];
    let length = match llistxattr(path, &mut buffer) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names: Vec<_> = buffer[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect();
    let value = |name: OsString| {
        let length = lgetxattr(path, &name, &mut buffer)?;
        Ok((name, buffer[..length].to_vec()))
    };
    names.into_iter().map(value).collect()
}

/// What a run did to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path, from `/`.
    pub path: PathBuf,
    /// In which ways.
    pub effects: Vec<Effect>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effects: Vec<_> = self.effects.iter().map(|effect| effect.name()).collect();
        write!(f, "{}: {}", self.path.display(), effects.join(", "))
    }
}

/// A way in which a path differs from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is new.
    Created,
    /// A device node, fifo or socket is new.
    Node,
    /// It has other content or is another kind of object.
    Replaced,
    /// It is gone.
    Removed,
    /// Other permission bits.
    Mode,
    /// Another user or group.
    Owner,
    /// Other extended attributes.
    Xattrs,
}

impl Effect {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Node => "node made",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Mode => "mode changed",
            Self::Owner => "owner changed",
            Self::Xattrs => "extended attributes changed",
        }
    }
}

fn effects(before: Option<&Object>, after: Option<&Object>) -> Vec<Effect> {
    let (before, after) = match (before, after) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec![Effect::Removed],
        (None, Some(after)) if matches!(after.kind, Kind::Node(..)) => return vec![Effect::Node],
        (None, Some(_)) => return vec![Effect::Created],
        (Some(before), Some(after)) => (before, after),
    };
    let differences = [
        (Effect::Replaced, before.kind != after.kind),
        // A new object in place of another one has its own.
        (Effect::Mode, before.mode != after.mode),
        (Effect::Owner, before.owner != after.owner),
        (Effect::Xattrs, before.xattrs != after.xattrs),
    ];
    let of = differences.into_iter().filter(|(_, differs)| *differs);
    of.map(|(effect, _)| effect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_whatever_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        let entries = r#"{"a": {"content": "1"}, "b": {"content": "1", "mode": "0644"}, "c": {"link": "/x"}, "d": {"dir": true}, "e": {"content": ""}}"#;
        make(&tree, &serde_json::from_str(entries).unwrap()).unwrap();
        let before = Snapshot::of(&tree).unwrap();
        assert_eq!(Snapshot::of(&tree).unwrap().changes_since(&before), []);
        fs::write(tree.join("a"), "2").unwrap();
        fs::set_permissions(tree.join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(tree.join("c")).unwrap();
        symlink("/y", tree.join("c")).unwrap();
        fs::write(tree.join("d/new"), "").unwrap();
        fs::remove_file(tree.join("e")).unwrap();
        let changes = Snapshot::of(&tree).unwrap().changes_since(&before);
        let shown: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "/a: replaced",
                "/b: mode changed",
                "/c: replaced",
                "/d/new: created",
                "/e: removed"
            ]
        );
    }

    #[test]
    fn what_is_not_as_expected_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path();
        make(
            tree,
            &serde_json::from_str(r#"{"a": {"content": "1", "mode": "0600"}, "l": {"link": "x"}}"#)
                .unwrap(),
        )
        .unwrap();
        let says =
            |name: &str, entry: &str| differs(tree, name, &serde_json::from_str(entry).unwrap());
        assert_eq!(says("/a", r#"{"content": "1", "mode": "0600"}"#), None);
        assert_eq!(present(tree, "b"), None);
        assert!(present(tree, "l").is_some());
        for (name, entry, part) in [
            ("a", r#"{"content": "2"}"#, "holds \"1\""),
            (
                "a",
                r#"{"content": "1", "mode": "0644"}"#,
                "mode 600, not 644",
            ),
            ("a", r#"{"dir": true}"#, "no directory"),
            ("a", r#"{"link": "x"}"#, "no link"),
            ("l", r#"{"link": "y"}"#, "a link to x"),
            ("l", r#"{"content": ""}"#, "a link to x"),
            ("b", r#"{"content": ""}"#, "is missing"),
        ] {
            assert!(
                says(name, entry).is_some_and(|said| said.contains(part)),
                "{name} {entry}"
            );
        }
    }
}
