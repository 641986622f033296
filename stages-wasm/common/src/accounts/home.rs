//! Home directories.
use super::Settings;
use super::settings::SKELETON;
use osbuild_stage::{FileType, Metadata, OpenMode, Result, Tree, path};

/// How much of a file is copied at a time.
const PIECE: usize = 1 << 20;

/// Makes a home directory as useradd(8) does, with what the skeleton has and the modes that it has there; extended attributes are none of
/// it. A directory that is there already stays as it is.
pub fn create_home(tree: &Tree, home: &str, uid: u32, gid: u32, settings: &Settings) -> Result<()> {
    if tree.exists_itself(home)? {
        return Ok(());
    }
    let mode = |found: &Metadata| match found.kind {
        FileType::Regular | FileType::Directory => Some(found.mode),
        _ => None,
    };
    create(tree, home, settings.home_mode())?;
    let skeleton = settings.skeleton().trim_end_matches('/');
    // A link to a place in the skeleton leads to the same place in the home directory.
    let text = |text: String| match text.strip_prefix(skeleton) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => text,
    };
    let owner = Owner { uid, gid };
    owner.give(tree, home, settings.home_mode())?;
    populate(tree, skeleton, home, owner, mode, text)
}

/// Makes a home directory as mkhomedir_helper(8) does when it is told nothing but the user: it looks at no settings, its directories have
/// mode 0755, and files can be written by the user alone.
pub fn create_missing_home(tree: &Tree, home: &str, uid: u32, gid: u32) -> Result<()> {
    let mode = |found: &Metadata| match found.kind {
        FileType::Regular => Some((found.mode | 0o200) & 0o1755),
        FileType::Directory => Some(0o755),
        _ => None,
    };
    create(tree, home, 0o755)?;
    let owner = Owner { uid, gid };
    owner.give(tree, home, 0o755)?;
    populate(tree, SKELETON, home, owner, mode, |text| text)
}

fn create(tree: &Tree, home: &str, mode: u32) -> Result<()> {
    tree.create_dir_all(path::parent(home))?;
    tree.create_dir_with_mode(home, mode)
}

/// Copies what is below `skeleton`; what `mode` has no mode for is left out, links excepted, which get the text that `text` makes.
fn populate(
    tree: &Tree,
    skeleton: &str,
    home: &str,
    owner: Owner,
    mode: impl Fn(&Metadata) -> Option<u32>,
    text: impl Fn(String) -> String,
) -> Result<()> {
    if !tree.is_dir(skeleton)? {
        return Ok(());
    }
    tree.walk(skeleton, &mut |path, found| {
        let new = format!("{home}{}", &path[skeleton.len()..]);
        if found.kind == FileType::SymbolicLink {
            tree.symlink(&text(tree.read_link(path)?), &new)?;
            return tree.set_owner_itself(&new, Some(owner.uid), Some(owner.gid));
        }
        let Some(mode) = mode(found) else {
            return Ok(());
        };
        if found.kind == FileType::Directory {
            tree.create_dir_with_mode(&new, 0o700)?;
        } else {
            copy_file(tree, path, &new)?;
        }
        owner.give(tree, &new, mode)
    })
}

#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// Gives away what was just made. The mode comes last: a change of the owner takes set-id bits.
    fn give(self, tree: &Tree, path: &str, mode: u32) -> Result<()> {
        tree.set_owner_itself(path, Some(self.uid), Some(self.gid))?;
        tree.set_mode(path, mode)
    }
}

fn copy_file(tree: &Tree, path: &str, new: &str) -> Result<()> {
    let (from, to) = (tree.open(path)?, tree.open_as(new, OpenMode::CreateNew)?);
    let mut at = 0;
    loop {
        let piece = from.read_at(at, PIECE)?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_at(at, &piece)?;
        at += piece.len() as u64;
    }
}
