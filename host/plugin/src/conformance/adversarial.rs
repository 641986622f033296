//! Trees that are not as a stage may expect.
use crate::error::{PluginError, Result};
use osbuild_stage_test::Case;
use osbuild_stage_test::tree::{Change, make};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// In which way a tree is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdversarialTree {
    /// It has nothing, not even /etc.
    Empty,
    /// Directories that the stage changes are links that lead out.
    LinkedDirectories,
    /// Files that the stage changes are links that lead out.
    LinkedFiles,
    /// Nothing may be written.
    ReadOnly,
    /// Names that no program likes lie beside what the stage changes.
    Names,
}

impl AdversarialTree {
    pub(super) const ALL: [Self; 5] = [
        Self::Empty,
        Self::LinkedDirectories,
        Self::LinkedFiles,
        Self::ReadOnly,
        Self::Names,
    ];

    /// A word for directories.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::LinkedDirectories => "directories",
            Self::LinkedFiles => "files",
            Self::ReadOnly => "read-only",
            Self::Names => "names",
        }
    }

    /// What is checked.
    pub(super) fn check(self) -> &'static str {
        match self {
            Self::Empty => "survives an empty tree",
            Self::LinkedDirectories => "survives directories that link out",
            Self::LinkedFiles => "survives files that link out",
            Self::ReadOnly => "survives read-only files",
            Self::Names => "survives unusual names",
        }
    }

    /// Makes `place/tree` and, beside it, `place/outside`, which the stage may not touch. None when the case has nothing to change.
    pub(super) fn make(
        self,
        case: &Case,
        changes: &[Change],
        place: &Path,
    ) -> Result<Option<PathBuf>> {
        let (tree, outside) = (place.join("tree"), place.join("outside"));
        fs::create_dir_all(&outside).map_err(PluginError::io(&outside))?;
        if self == Self::Empty {
            fs::create_dir_all(&tree).map_err(PluginError::io(&tree))?;
            return Ok(Some(tree));
        }
        make(&tree, &case.tree)?;
        let made = match self {
            Self::Empty => Ok(true),
            Self::LinkedDirectories => link_directories(&tree, &outside, changes),
            Self::LinkedFiles => link_files(&tree, &outside, changes),
            Self::ReadOnly => read_only(&tree).map(|()| true),
            Self::Names => add_names(&tree, changes),
        };
        let fits = made.map_err(PluginError::io(&tree))?;
        Ok(fits.then_some(tree))
    }
}

/// Every directory at the top whose content changes becomes a link: absolute ones and relative ones by turns.
fn link_directories(tree: &Path, outside: &Path, changes: &[Change]) -> std::io::Result<bool> {
    let names: BTreeSet<_> = changes
        .iter()
        .filter_map(|change| {
            let mut parts = change.path.components().skip(1);
            let first = parts.next()?;
            // Not what lies in the tree's root itself.
            parts.next().map(|_| first.as_os_str().to_owned())
        })
        .collect();
    for (number, name) in names.iter().enumerate() {
        let (inside, target) = (tree.join(name), outside.join(name));
        fs::create_dir_all(&target)?;
        fs::write(target.join("canary"), "outside\n")?;
        remove(&inside)?;
        match number % 2 {
            0 => symlink(&target, &inside)?,
            _ => symlink(Path::new("../outside").join(name), &inside)?,
        }
    }
    Ok(!names.is_empty())
}

/// Every file that changes becomes a link to a file outside, which is there.
fn link_files(tree: &Path, outside: &Path, changes: &[Change]) -> std::io::Result<bool> {
    let mut linked = false;
    let last = |change: &Change| {
        !changes
            .iter()
            .any(|other| other.path != change.path && other.path.starts_with(&change.path))
    };
    for (number, change) in changes.iter().filter(|change| last(change)).enumerate() {
        let Ok(name) = change.path.strip_prefix("/") else {
            continue;
        };
        let (inside, target) = (tree.join(name), outside.join(number.to_string()));
        let Some(parent) = inside.parent().filter(|_| !name.as_os_str().is_empty()) else {
            continue;
        };
        fs::write(&target, "outside\n")?;
        fs::create_dir_all(parent)?;
        remove(&inside)?;
        let up: PathBuf = name.components().map(|_| "..").collect();
        match number % 2 {
            0 => symlink(up.join("outside").join(number.to_string()), &inside)?,
            _ => symlink(&target, &inside)?,
        }
        linked = true;
    }
    Ok(linked)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn read_only(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            read_only(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o555))?;
        } else if kind.is_file() {
            fs::set_permissions(&path, Permissions::from_mode(0o444))?;
        }
    }
    Ok(())
}

/// Blanks, line ends, what looks like an option or a pattern, no UTF-8, the longest.
fn add_names(tree: &Path, changes: &[Change]) -> std::io::Result<bool> {
    let names: [&[u8]; 8] = [
        b" ",
        b"a\nb",
        b"-rf",
        b"*",
        b"$(id)",
        b"\xff\xfe",
        "\u{202e}gnp.exe".as_bytes(),
        &[b'x'; 255],
    ];
    let directories: BTreeSet<_> = changes
        .iter()
        .filter_map(|change| change.path.parent()?.strip_prefix("/").ok())
        .collect();
    for directory in directories.into_iter().chain([Path::new("")]) {
        let directory = tree.join(directory);
        // Where the tree has something else, that is unexpected enough.
        if fs::create_dir_all(&directory).is_err() {
            continue;
        }
        for name in names {
            let path = directory.join(OsString::from_vec(name.to_vec()));
            if fs::symlink_metadata(&path).is_err() {
                fs::write(&path, "odd\n")?;
            }
        }
    }
    Ok(true)
}
