//! The host's side of `osbuild:stage/tree`: verbs on paths inside granted directories.
mod bytes;
mod copies;
mod errors;
mod gate;
mod growth;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod names;
mod objects;
mod open;
mod overseer;
mod passed;
mod roots;
mod trusted;

pub use bytes::OpenFile;
pub(crate) use bytes::resize;
pub(crate) use errors::{denied, failed, from_errno, invalid};
pub(crate) use gate::Gate;
pub(crate) use passed::Passed;
pub use roots::Roots;
pub(crate) use roots::{Located, link_of};
pub(crate) use trusted::Known;

use crate::bindings::tree::{
    CopyOptions, Entry, FileType, Host, HostFile, Metadata, OpenMode, Timestamp,
};
use crate::bindings::types::Error;
use crate::record::Recorder;
use crate::run::State;
use roots::Unset;
use std::collections::BTreeMap;
use wasmtime::component::Resource;

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Host for State {
    fn open(&mut self, path: String, how: OpenMode, mode: u32) -> Result<Resource<OpenFile>> {
        let file = self
            .roots
            .record_result(self.roots.open(&path, how, mode))?;
        self.table.push(file).map_err(|error| failed(&path, &error))
    }

    fn read(&mut self, path: String) -> Result<Vec<u8>> {
        let file = self.roots.open(&path, OpenMode::Read, 0);
        self.roots.record_result(file)?.read_all()
    }

    fn write(&mut self, path: String, bytes: Vec<u8>, mode: u32) -> Result<()> {
        let file = self.roots.open(&path, OpenMode::Create, mode);
        self.roots.record_result(file)?.write(0, &bytes)
    }

    fn replace(&mut self, path: String, bytes: Vec<u8>, mode: u32) -> Result<()> {
        self.roots
            .record_result(self.roots.replace(&path, &bytes, mode))
    }

    fn read_directory(&mut self, path: String) -> Result<Vec<Entry>> {
        self.roots.record_result(self.roots.read_directory(&path))
    }

    fn create_directory(&mut self, path: String, mode: u32) -> Result<()> {
        self.roots
            .record_result(self.roots.create_directory(&path, mode))
    }

    fn stat(&mut self, path: String, follow: bool) -> Result<Metadata> {
        self.roots.record_result(self.roots.stat(&path, follow))
    }

    fn read_link(&mut self, path: String) -> Result<String> {
        self.roots.record_result(self.roots.read_link(&path))
    }

    fn symbolic_link(&mut self, text: String, path: String) -> Result<()> {
        self.roots
            .record_result(self.roots.symbolic_link(&text, &path))
    }

    fn hard_link(&mut self, existing: String, path: String) -> Result<()> {
        self.roots
            .record_result(self.roots.hard_link(&existing, &path))
    }

    fn rename(&mut self, path: String, to: String) -> Result<()> {
        self.roots.record_result(self.roots.rename(&path, &to))
    }

    fn remove(&mut self, path: String) -> Result<()> {
        self.roots.record_result(self.roots.remove(&path))
    }

    fn remove_all(&mut self, path: String) -> Result<()> {
        self.roots.record_result(self.roots.remove_all(&path))
    }

    fn set_mode(&mut self, path: String, mode: u32) -> Result<()> {
        self.roots.record_result(self.roots.set_mode(&path, mode))
    }

    fn set_owner(
        &mut self,
        path: String,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<()> {
        self.roots
            .record_result(self.roots.set_owner(&path, uid, gid, follow))
    }

    fn set_modified(&mut self, path: String, time: Timestamp, follow: bool) -> Result<()> {
        self.roots
            .record_result(self.roots.set_modified(&path, time, follow))
    }

    fn list_xattrs(&mut self, path: String, follow: bool) -> Result<Vec<String>> {
        let names = self.roots.list_xattrs(&path, follow);
        let mut names = self.roots.record_result(names)?;
        names.extend(self.trusted_names(&path)?);
        Ok(names)
    }

    fn get_xattr(&mut self, path: String, name: String, follow: bool) -> Result<Option<Vec<u8>>> {
        let value = self.roots.get_xattr(&path, &name, follow);
        match self.roots.record_result(value)? {
            None => self.trusted_value(&path, &name),
            value => Ok(value),
        }
    }

    fn set_xattr(
        &mut self,
        path: String,
        name: String,
        value: Vec<u8>,
        follow: bool,
    ) -> Result<()> {
        let Self { roots, helpers, .. } = self;
        let by_helper = |object: &Passed| helpers.set_xattr(object, &name, &value);
        roots.record_result(roots.set_xattr(&path, (&name, &value), follow, by_helper))
    }

    fn remove_xattr(&mut self, path: String, name: String, follow: bool) -> Result<()> {
        self.roots
            .record_result(self.roots.remove_xattr(&path, &name, follow))
    }

    fn create_node(
        &mut self,
        path: String,
        kind: FileType,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> Result<()> {
        self.roots
            .record_result(self.roots.create_node(&path, kind, mode, (major, minor)))
    }

    fn get_immutable(&mut self, path: String) -> Result<bool> {
        self.roots.record_result(self.roots.get_immutable(&path))
    }

    fn set_immutable(&mut self, path: String, immutable: bool) -> Result<()> {
        self.roots
            .record_result(self.roots.set_immutable(&path, immutable))
    }

    fn copy(&mut self, source: String, to: String, options: CopyOptions) -> Result<()> {
        let trusted = self.trusted_below(&source, options.follow)?;
        let made = match trusted.is_empty() {
            true => to.clone(),
            false => self.roots.destination_of(&source, &to)?,
        };
        self.roots
            .record_result(self.roots.copy(&source, &to, options))?;
        self.set_unset(&to)?;
        self.give_trusted(&made, trusted)
    }
}

impl HostFile for State {
    fn read(&mut self, file: Resource<OpenFile>, offset: u64, length: u32) -> Result<Vec<u8>> {
        self.file(&file)?.read(offset, length)
    }

    fn write(&mut self, file: Resource<OpenFile>, offset: u64, bytes: Vec<u8>) -> Result<()> {
        self.file(&file)?.write(offset, &bytes)
    }

    fn copy_from(
        &mut self,
        file: Resource<OpenFile>,
        source: Resource<OpenFile>,
        source_offset: u64,
        offset: u64,
        length: u64,
    ) -> Result<u64> {
        let source = self.file(&source)?;
        self.file(&file)?
            .copy_from(source, source_offset, offset, length)
    }

    fn set_size(&mut self, file: Resource<OpenFile>, size: u64) -> Result<()> {
        self.file(&file)?.set_size(size)
    }

    fn stat(&mut self, file: Resource<OpenFile>) -> Result<Metadata> {
        self.file(&file)?.stat()
    }

    fn sync(&mut self, file: Resource<OpenFile>) -> Result<()> {
        self.file(&file)?.sync()
    }

    fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl State {
    /// Has the helper set what a copy could not set itself. What it cannot set either, e.g. because the file system has no attributes,
    /// is said in one line of the log.
    fn set_unset(&mut self, to: &str) -> Result<()> {
        let mut lost: BTreeMap<String, (u64, String)> = BTreeMap::new();
        for Unset { place, name, value } in self.roots.take_unset() {
            self.roots.quota.go_on(to)?;
            let is_privileged = name.starts_with("security.") || name.starts_with("trusted.");
            let object = self.roots.itself(&place).ok().filter(|_| is_privileged);
            let set = object.is_some_and(|object| {
                let set = self.helpers.set_xattr(&object, &name, &value);
                set.is_ok()
            });
            if !set {
                lost.entry(name).or_insert((0, place)).0 += 1;
            }
        }
        let losses = lost.iter().map(|(name, (count, first))| match count {
            1 => format!("{name} of {first}"),
            more => format!("{name} of {first} and {} more", more - 1),
        });
        let losses: Vec<_> = losses.collect();
        if losses.is_empty() {
            return Ok(());
        }
        let line = format!("{to}: attributes are lost: {}\n", losses.join(", "));
        let logged = self.log.append(line.as_bytes());
        logged.map_err(|stopped| failed(to, &stopped))
    }

    fn file(&self, file: &Resource<OpenFile>) -> Result<&OpenFile> {
        self.table.get(file).map_err(|error| failed("", &error))
    }
}
