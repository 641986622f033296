//! `wasi:filesystem` of the granted directories: the other door, for languages whose standard library expects it.
//!
//! Paths are resolved below the directory they start from (openat2, RESOLVE_BENEATH): what leads out of it, an absolute link too,
//! is refused. Rights, limits and the record are those of `osbuild:stage/tree`. Calls on what is already open are wasmtime's own.
mod convert;
mod metered;
mod paths;

use crate::run::State;
use crate::tree::{Located, resize};
use convert::{error_of, identity};
use metered::Metered;
use osbuild_wasm_capability::{Access, Verb};
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::sync::io::streams::{Error, InputStream, OutputStream};
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::{FsPerms, OpenMode};

type Fd = Resource<Descriptor>;

/// Puts the interface in the place of wasmtime's.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// wasmtime's implementation.
fn inner(state: &mut State) -> WasiFilesystemCtxView<'_> {
    state.filesystem()
}

fn access(directory: &Dir) -> Access {
    match directory.perms {
        FsPerms::ReadOnly => Access::Read,
        FsPerms::ReadWrite => Access::Write,
    }
}

fn descriptor(table: &ResourceTable, fd: &Fd) -> FsResult<Descriptor> {
    Ok(table.get(fd)?.clone())
}

impl Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        Host::convert_error_code(&mut inner(self), error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        Host::filesystem_error_code(&mut inner(self), error)
    }
}

impl State {
    /// Runs a call on a path that starts at an open directory.
    fn at<T>(
        &mut self,
        fd: &Fd,
        path: &str,
        call: impl FnOnce(Located<'_>) -> crate::tree::Result<T>,
    ) -> FsResult<T> {
        let start = descriptor(&self.table, fd)?;
        let Descriptor::Dir(start) = start else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let outcome = self
            .roots
            .beneath(&start.dir, access(&start), path)
            .and_then(call)
            .map_err(|error| self.roots.with_place(error, &start.dir));
        self.wasi_outcome(outcome)
    }

    /// The same for two paths.
    fn at_both(
        &mut self,
        from: (&Fd, &str),
        to: (&Fd, &str),
        call: impl FnOnce(Located<'_>, Located<'_>) -> crate::tree::Result<()>,
    ) -> FsResult<()> {
        let both = (
            descriptor(&self.table, from.0)?,
            descriptor(&self.table, to.0)?,
        );
        let (Descriptor::Dir(first), Descriptor::Dir(second)) = both else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let roots = &self.roots;
        let outcome = roots
            .beneath(&first.dir, access(&first), from.1)
            .and_then(|from| call(from, roots.beneath(&second.dir, access(&second), to.1)?))
            .map_err(|error| {
                let start = if error.path == to.1 { &second } else { &first };
                roots.with_place(error, &start.dir)
            });
        self.wasi_outcome(outcome)
    }

    /// Asks for a right to what is already open.
    fn may(&mut self, fd: &Fd, verb: Verb) -> FsResult<()> {
        let outcome = match descriptor(&self.table, fd)? {
            Descriptor::File(file) => self.roots.permit_open(verb, &file.file),
            Descriptor::Dir(directory) => self.roots.permit_open(verb, &directory.dir),
        };
        self.wasi_outcome(outcome)
    }

    /// WASI has error codes but no texts: why something was refused goes to the log.
    fn wasi_outcome<T>(&mut self, outcome: crate::tree::Result<T>) -> FsResult<T> {
        let outcome = self.roots.record_result(outcome);
        if let Err(error) = &outcome
            && error.code == crate::ErrorCode::Denied
        {
            let line = format!("denied: {}: {}\n", error.path, error.detail);
            self.log
                .append(line.as_bytes())
                .map_err(|stopped| FsError::trap(wasmtime::Error::new(stopped)))?;
        }
        outcome.map_err(|error| error_of(&error).into())
    }
}

impl HostDescriptor for State {
    fn advise(&mut self, fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> FsResult<()> {
        inner(self).advise(fd, offset, len, advice)
    }

    fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        inner(self).sync_data(fd)
    }

    fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        inner(self).get_flags(fd)
    }

    fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        inner(self).get_type(fd)
    }

    fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        match descriptor(&self.table, &fd)? {
            Descriptor::File(file) if file.open_mode.contains(OpenMode::WRITE) => {
                let resized = resize(&file.file, "", size, &self.roots.quota);
                self.wasi_outcome(resized)
            }
            _ => inner(self).set_size(fd, size),
        }
    }

    fn set_times(
        &mut self,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        // The kernel allows it on a descriptor that was opened for reading.
        self.may(&fd, Verb::Replace)?;
        inner(self).set_times(fd, accessed, modified)
    }

    fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        inner(self).read(fd, len, offset)
    }

    fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let taken = self.roots.quota.take_bytes("", bytes.len() as u64);
        self.wasi_outcome(taken)?;
        inner(self).write(fd, bytes, offset)
    }

    fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.may(&fd, Verb::Read)?;
        inner(self).read_directory(fd)
    }

    fn sync(&mut self, fd: Fd) -> FsResult<()> {
        inner(self).sync(fd)
    }

    fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.at(&fd, &path, |at| at.create_directory(0o777))
    }

    fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        inner(self).stat(fd)
    }

    fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.at(&fd, &path, |at| paths::stat(&at, flags))
    }

    fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.at(&fd, &path, |at| {
            paths::set_times(&at, flags, accessed, modified)
        })
    }

    fn link_at(
        &mut self,
        fd: Fd,
        _: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.at_both((&fd, &path), (&new_fd, &new_path), |from, to| {
            from.hard_link(to)
        })
    }

    fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let opened = self.at(&fd, &path, |at| paths::open(at, path_flags, how, flags))?;
        Ok(self.table.push(opened)?)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut inner(self), fd)
    }

    fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.at(&fd, &path, |at| at.read_link())
    }

    fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.at(&fd, &path, |at| at.remove_entry(true))
    }

    fn rename_at(&mut self, fd: Fd, path: String, new_fd: Fd, new_path: String) -> FsResult<()> {
        self.at_both((&fd, &path), (&new_fd, &new_path), |from, to| {
            from.rename(to)
        })
    }

    fn symlink_at(&mut self, fd: Fd, text: String, path: String) -> FsResult<()> {
        self.at(&fd, &path, |at| at.symbolic_link(&text))
    }

    fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.at(&fd, &path, |at| at.remove_entry(false))
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<InputStream>> {
        inner(self).read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<OutputStream>> {
        let stream = inner(self).write_via_stream(fd, offset)?;
        self.metered(stream)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<OutputStream>> {
        let stream = inner(self).append_via_stream(fd)?;
        self.metered(stream)
    }

    fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        inner(self).is_same_object(a, b)
    }

    fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        let stat = match descriptor(&self.table, &fd)? {
            Descriptor::File(file) => rustix::fs::fstat(&file.file),
            Descriptor::Dir(directory) => rustix::fs::fstat(&directory.dir),
        };
        Ok(identity(&stat.map_err(std::io::Error::from)?))
    }

    fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let found = self.at(&fd, &path, |at| at.examine(paths::follows(flags)))?;
        Ok(identity(&found))
    }
}

impl State {
    /// Counts what is written to the stream.
    fn metered(&mut self, stream: Resource<OutputStream>) -> FsResult<Resource<OutputStream>> {
        let stream = self.table.delete(stream)?;
        let metered: OutputStream = Box::new(Metered::new(stream, self.roots.quota.clone()));
        Ok(self.table.push(metered)?)
    }
}

impl HostDirectoryEntryStream for State {
    fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        inner(self).read_directory_entry(stream)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut inner(self), stream)
    }
}
