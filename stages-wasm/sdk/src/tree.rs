//! Files through the interface `tree`.
use crate::bindings::osbuild::stage::tree;
use crate::{Context, Error, ErrorCode, File, OpenMode, Result, path};

pub use crate::bindings::osbuild::stage::tree::{
    CopyOptions, Entry, FileType, Metadata, Timestamp,
};

/// Mode of new files when none is given: 0666 with the umask 022 of a build.
const FILE_MODE: u32 = 0o644;
/// Mode of new directories when none is given.
const DIRECTORY_MODE: u32 = 0o755;

/// A directory to work in: the tree being built, an input, a mount, or `/`.
///
/// Paths are relative to it; their leading slashes are dropped. Links are resolved by the host inside of the granted directory and
/// never lead out of it. New files have mode 0644, new directories 0755, both belong to root. Every error names the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: String,
}

impl Tree {
    /// The directory with this contract path.
    pub fn new(root: impl Into<String>) -> Self {
        Self { root: root.into() }
    }

    /// `/`: paths are then contract paths such as those of [`crate::Arguments::locate`], or paths of the build root.
    pub fn contract() -> Self {
        Self::new("/")
    }

    /// The contract path of the directory.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The contract path of `path`.
    pub fn path(&self, path: &str) -> String {
        path::join(&self.root, path)
    }

    /// The directory `path` in this one.
    pub fn below(&self, path: &str) -> Self {
        Self::new(self.path(path))
    }

    /// Opens an existing file for reading.
    pub fn open(&self, path: &str) -> Result<File> {
        self.open_as(path, OpenMode::Read)
    }

    /// Opens a file for writing, cut to length 0; made when missing.
    pub fn create(&self, path: &str) -> Result<File> {
        self.open_as(path, OpenMode::Create)
    }

    /// Opens a file.
    pub fn open_as(&self, path: &str, how: OpenMode) -> Result<File> {
        File::open(self.path(path), how, FILE_MODE)
    }

    /// Whole content of a file of up to 16 MiB.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(tree::read(&self.path(path))?)
    }

    /// Whole content of a UTF-8 file of up to 16 MiB.
    pub fn read_to_string(&self, path: &str) -> Result<String> {
        let bytes = self.read(path)?;
        String::from_utf8(bytes)
            .map_err(|error| Error::new(format!("{}: not UTF-8: {error}", self.path(path))))
    }

    /// Whole content of a UTF-8 file, or none when there is no such file.
    pub fn read_if_exists(&self, path: &str) -> Result<Option<String>> {
        absent_as_none(self.read_to_string(path))
    }

    /// Overwrites or makes a file. An existing one keeps inode, mode and owner; a link at the end is followed.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.write_with_mode(path, content, FILE_MODE)
    }

    /// As [`Tree::write`]; `mode` applies when the file is made.
    pub fn write_with_mode(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        Ok(tree::write(&self.path(path), content.as_ref(), mode)?)
    }

    /// Makes a file; fails when there is something already.
    pub fn write_new(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.open_as(path, OpenMode::CreateNew)?
            .write_at(0, content.as_ref())
    }

    /// Adds to the end of a file; made when missing.
    pub fn append(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.open_as(path, OpenMode::Append)?
            .write_at(0, content.as_ref())
    }

    /// Puts a new file in place of whatever was there, completely or not at all.
    pub fn replace(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        Ok(tree::replace(&self.path(path), content.as_ref(), mode)?)
    }

    /// Names in a directory, sorted by their bytes.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>> {
        Ok(tree::read_directory(&self.path(path))?)
    }

    /// Makes one directory.
    pub fn create_dir(&self, path: &str) -> Result<()> {
        self.create_dir_with_mode(path, DIRECTORY_MODE)
    }

    /// Makes one directory with this mode, as given.
    pub fn create_dir_with_mode(&self, path: &str, mode: u32) -> Result<()> {
        Ok(tree::create_directory(&self.path(path), mode)?)
    }

    /// Makes a directory and its missing parents; existing ones are left as they are.
    pub fn create_dir_all(&self, path: &str) -> Result<()> {
        if self.is_dir(path)? {
            return Ok(());
        }
        if path::parent(path) != path {
            self.create_dir_all(path::parent(path))?;
        }
        // `DIR/.` has appeared with DIR.
        if path.ends_with("/.") {
            Ok(())
        } else {
            self.create_dir(path)
        }
    }

    /// Metadata of what the path leads to.
    pub fn stat(&self, path: &str) -> Result<Metadata> {
        Ok(tree::stat(&self.path(path), true)?)
    }

    /// Metadata of the object itself; a link at the end is not followed.
    pub fn lstat(&self, path: &str) -> Result<Metadata> {
        Ok(tree::stat(&self.path(path), false)?)
    }

    /// Whether the path leads to something.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.kind(path)?.is_some())
    }

    /// Whether there is something under this name, a dangling link included.
    pub fn exists_itself(&self, path: &str) -> Result<bool> {
        Ok(absent_as_none(self.lstat(path))?.is_some())
    }

    /// Whether the path leads to a directory.
    pub fn is_dir(&self, path: &str) -> Result<bool> {
        Ok(self.kind(path)? == Some(FileType::Directory))
    }

    /// Whether the path leads to a regular file.
    pub fn is_file(&self, path: &str) -> Result<bool> {
        Ok(self.kind(path)? == Some(FileType::Regular))
    }

    fn kind(&self, path: &str) -> Result<Option<FileType>> {
        match self.stat(path) {
            // Links that lead in a circle lead nowhere.
            Err(error) if error.code() == Some(ErrorCode::Loop) => Ok(None),
            found => Ok(absent_as_none(found)?.map(|metadata| metadata.kind)),
        }
    }

    /// Text of a symbolic link.
    pub fn read_link(&self, path: &str) -> Result<String> {
        Ok(tree::read_link(&self.path(path))?)
    }

    /// Makes a symbolic link with exactly this text.
    pub fn symlink(&self, text: &str, path: &str) -> Result<()> {
        Ok(tree::symbolic_link(text, &self.path(path))?)
    }

    /// Another name for an object.
    pub fn hard_link(&self, existing: &str, path: &str) -> Result<()> {
        Ok(tree::hard_link(&self.path(existing), &self.path(path))?)
    }

    /// Moves, replacing what was there.
    pub fn rename(&self, path: &str, to: &str) -> Result<()> {
        Ok(tree::rename(&self.path(path), &self.path(to))?)
    }

    /// Removes a file, a link or an empty directory.
    pub fn remove(&self, path: &str) -> Result<()> {
        Ok(tree::remove(&self.path(path))?)
    }

    /// As [`Tree::remove`]; says whether there was something.
    pub fn remove_if_exists(&self, path: &str) -> Result<bool> {
        Ok(absent_as_none(self.remove(path))?.is_some())
    }

    /// Removes the object and all below it; missing is fine.
    pub fn remove_all(&self, path: &str) -> Result<()> {
        Ok(tree::remove_all(&self.path(path))?)
    }

    /// Sets the permission bits.
    pub fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        Ok(tree::set_mode(&self.path(path), mode)?)
    }

    /// Sets owner and group; what is not given stays. Links at the end are followed.
    pub fn set_owner(&self, path: &str, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        Ok(tree::set_owner(&self.path(path), uid, gid, true)?)
    }

    /// As [`Tree::set_owner`] for the object itself, links included.
    pub fn set_owner_itself(&self, path: &str, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        Ok(tree::set_owner(&self.path(path), uid, gid, false)?)
    }

    /// Sets the time of modification of the object itself.
    pub fn set_modified(&self, path: &str, time: Timestamp) -> Result<()> {
        Ok(tree::set_modified(&self.path(path), time, false)?)
    }

    /// Names of the extended attributes of the object itself.
    pub fn xattrs(&self, path: &str) -> Result<Vec<String>> {
        Ok(tree::list_xattrs(&self.path(path), false)?)
    }

    /// An extended attribute of the object itself; none when it is not set.
    pub fn xattr(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(tree::get_xattr(&self.path(path), name, false)?)
    }

    /// Sets an extended attribute of the object itself.
    pub fn set_xattr(&self, path: &str, name: &str, value: &[u8]) -> Result<()> {
        Ok(tree::set_xattr(&self.path(path), name, value, false)?)
    }

    /// As [`Tree::xattr`] of what a link at the end leads to.
    pub fn xattr_of_target(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(tree::get_xattr(&self.path(path), name, true)?)
    }

    /// As [`Tree::set_xattr`] of what a link at the end leads to.
    pub fn set_xattr_of_target(&self, path: &str, name: &str, value: &[u8]) -> Result<()> {
        Ok(tree::set_xattr(&self.path(path), name, value, true)?)
    }

    /// Removes an extended attribute of the object itself.
    pub fn remove_xattr(&self, path: &str, name: &str) -> Result<()> {
        Ok(tree::remove_xattr(&self.path(path), name, false)?)
    }

    /// Makes a fifo, socket or device node.
    pub fn create_node(
        &self,
        path: &str,
        kind: FileType,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<()> {
        Ok(tree::create_node(
            &self.path(path),
            kind,
            mode,
            major,
            minor,
        )?)
    }

    /// Whether the inode flag "immutable" is set.
    pub fn immutable(&self, path: &str) -> Result<bool> {
        Ok(tree::get_immutable(&self.path(path))?)
    }

    /// Sets or clears the inode flag "immutable".
    pub fn set_immutable(&self, path: &str, immutable: bool) -> Result<()> {
        Ok(tree::set_immutable(&self.path(path), immutable)?)
    }

    /// Copies a file or everything below a directory with all that belongs to it; see the contract. If `to` is a directory the copy
    /// goes into it; a source ending in `/.` means its content. Use [`Tree::contract`] to copy between directories.
    pub fn copy(&self, source: &str, to: &str, options: CopyOptions) -> Result<()> {
        Ok(tree::copy(&self.path(source), &self.path(to), options)?)
    }

    /// Calls `visit` for everything below `path` (not for itself), parents first, names sorted by their bytes, with the path
    /// relative to this tree and the metadata of the object itself. Links are not followed.
    pub fn walk(
        &self,
        path: &str,
        visit: &mut dyn FnMut(&str, &Metadata) -> Result<()>,
    ) -> Result<()> {
        for entry in self.list(path)? {
            let inner = path::join(path, &entry.name);
            let metadata = self.lstat(&inner)?;
            visit(&inner, &metadata)?;
            if metadata.kind == FileType::Directory {
                self.walk(&inner, visit)?;
            }
        }
        Ok(())
    }

    /// Reads, changes and overwrites a text file; nothing is written when the text stays the same.
    pub fn edit(&self, path: &str, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let before = self.read_to_string(path)?;
        let after = change(&before).with_context(|| format!("editing {}", self.path(path)))?;
        if after == before {
            Ok(())
        } else {
            self.write(path, after)
        }
    }
}

fn absent_as_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A path through a file leads nowhere either.
        Err(error)
            if matches!(
                error.code(),
                Some(ErrorCode::NotFound | ErrorCode::NotADirectory)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
