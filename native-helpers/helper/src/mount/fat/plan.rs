//! What changed in a directory, and how to make a FAT file system follow.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// Something else; what it is called when there are many of it.
    Other(&'static str),
}

/// An entry; two that are equal have the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Everything in a directory, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Entry>);

impl Snapshot {
    /// Walks a directory.
    pub fn of(directory: &Path) -> std::io::Result<Self> {
        let mut snapshot = Self::default();
        snapshot.add(directory, Path::new(""))?;
        Ok(snapshot)
    }

    fn add(&mut self, top: &Path, below: &Path) -> std::io::Result<()> {
        for name in std::fs::read_dir(top.join(below))? {
            let path = below.join(name?.file_name());
            let entry = Entry::of(&top.join(&path).symlink_metadata()?);
            if entry.kind == Kind::Directory {
                self.add(top, &path)?;
            }
            self.0.insert(path, entry);
        }
        Ok(())
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        self.0.get(path).map(|entry| entry.kind)
    }
}

impl Entry {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let kind = metadata.file_type();
        Self {
            kind: match kind {
                kind if kind.is_file() => Kind::File,
                kind if kind.is_dir() => Kind::Directory,
                kind if kind.is_symlink() => Kind::Other("symbolic links"),
                kind if kind.is_fifo() => Kind::Other("pipes"),
                kind if kind.is_socket() => Kind::Other("sockets"),
                _ => Kind::Other("device nodes"),
            },
            size: metadata.size(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Steps that bring a file system from one state to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files to remove.
    pub files: Vec<PathBuf>,
    /// Directories to remove with all that is in them.
    pub trees: Vec<PathBuf>,
    /// Files and whole new directories to copy, by the directory that they belong to, which is there by then.
    pub copies: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Plan {
    /// The steps from `before` to `after`.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let mut plan = Self::default();
        let gone =
            |path: &Path| before.kind(path).is_some() && before.kind(path) != after.kind(path);
        let new = |path: &Path| after.kind(path).is_some() && before.kind(path) != after.kind(path);
        for (path, entry) in before.entries().filter(|(path, _)| gone(path)) {
            match entry.kind {
                _ if path.ancestors().skip(1).any(gone) => {}
                Kind::Directory => plan.trees.push(path.to_owned()),
                _ => plan.files.push(path.to_owned()),
            }
        }
        for (path, entry) in after.entries() {
            let changed = entry.kind != Kind::Directory && before.0.get(path) != Some(entry);
            if (changed || new(path)) && !path.ancestors().skip(1).any(new) {
                let parent = path.parent().unwrap_or(Path::new(""));
                plan.copies
                    .entry(parent.to_owned())
                    .or_default()
                    .push(path.to_owned());
            }
        }
        plan
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Everything that will be copied.
    pub fn changed<'a>(&'a self, after: &'a Snapshot) -> impl Iterator<Item = &'a Path> {
        let copied = |path: &Path| {
            let in_parent = |at: &Path| {
                let parent = at.parent().unwrap_or(Path::new(""));
                self.copies
                    .get(parent)
                    .is_some_and(|paths| paths.iter().any(|path| path == at))
            };
            path.ancestors().any(in_parent)
        };
        after.paths().filter(move |path| copied(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_copied_and_new_directories_as_a_whole() {
        let top = tempfile::tempdir().unwrap();
        let path = |name: &str| top.path().join(name);
        for directory in ["EFI/BOOT", "old/deep", "turns"] {
            std::fs::create_dir_all(path(directory)).unwrap();
        }
        for file in [
            "EFI/same",
            "EFI/other",
            "old/deep/file",
            "gone",
            "turns/file",
        ] {
            std::fs::write(path(file), "1").unwrap();
        }
        let before = Snapshot::of(top.path()).unwrap();
        assert!(Plan::between(&before, &before).is_empty());
        std::fs::remove_dir_all(path("old")).unwrap();
        std::fs::remove_dir_all(path("turns")).unwrap();
        std::fs::remove_file(path("gone")).unwrap();
        std::fs::create_dir_all(path("new/deep")).unwrap();
        for file in ["EFI/other", "EFI/BOOT/a", "new/deep/b", "turns", "c"] {
            std::fs::write(path(file), "22").unwrap();
        }
        let after = Snapshot::of(top.path()).unwrap();
        let plan = Plan::between(&before, &after);
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(plan.files, paths(&["gone"]));
        assert_eq!(plan.trees, paths(&["old", "turns"]));
        let copies = [
            ("", paths(&["c", "new", "turns"])),
            ("EFI", paths(&["EFI/other"])),
            ("EFI/BOOT", paths(&["EFI/BOOT/a"])),
        ];
        assert_eq!(
            plan.copies,
            copies.map(|(parent, paths)| (parent.into(), paths)).into()
        );
        let changed: Vec<_> = plan.changed(&after).map(Path::to_owned).collect();
        let all = [
            "EFI/BOOT/a",
            "EFI/other",
            "c",
            "new",
            "new/deep",
            "new/deep/b",
            "turns",
        ];
        assert_eq!(changed, paths(&all));
    }
}
