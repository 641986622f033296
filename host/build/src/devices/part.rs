//! A file that stands for a loop device: the image itself, or for a part of it a copy that goes back into the image.
//!
//! What stages and their programs see is a file of the stage's scratch directory, never a path in the tree, which they could turn into
//! a link.
use crate::devices::place;
use crate::failure::{BuildError, Result};
use crate::file_systems::{Beginning, FileSystems, Key};
use crate::sandbox::{Sandbox, TREE};
use osbuild_wasm_files::copy_part;
use osbuild_wasm_manifest::model::Device;
use osbuild_wasm_protocol::Attach;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, futimens, linkat, openat2,
};
use serde_json::{Value, json};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The only size of sectors that files have.
const SECTOR: u32 = 512;

/// The modification time of a copy that nobody has written: 1970.
const UNTOUCHED: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What the stage does with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads and writes bytes.
    Bytes,
    /// Mounts a directory that stands for its file system; a new file system is put in.
    Directory,
}

/// A part of an image that is in use.
#[derive(Debug)]
pub(crate) struct Part {
    /// What it is in the image.
    key: Key,
    /// How it began before.
    before: Beginning,
    image: File,
    /// None: the stage works on the image itself.
    copy: Option<Copy>,
}

#[derive(Debug)]
struct Copy {
    file: File,
    size: u64,
    of: Use,
    read_only: bool,
}

/// Opens the part of an image and grants it to the stage.
pub(super) fn open(
    device: &Device,
    attach: &Attach,
    of: Use,
    sandbox: &mut Sandbox,
) -> Result<(Part, Value)> {
    let wrong = |reason: String| BuildError::manifest(place(device), reason);
    if attach.sector_size != SECTOR || attach.partition_scan {
        let what =
            "sectors of another size than 512 bytes and scans for partitions need loop devices";
        return Err(wrong(what.into()));
    }
    let failed = |error: io::Error| wrong(format!("{}: {error}", attach.path));
    let image = open_image(sandbox, attach).map_err(failed)?;
    let metadata = image.metadata().map_err(failed)?;
    let length = metadata.len();
    let end = attach.offset.checked_add(attach.size.unwrap_or(0));
    if !metadata.is_file() || end.is_none_or(|end| end > length) {
        return Err(wrong(format!(
            "{}: the part ends behind the end of the file ({length} bytes), or this is no file",
            attach.path
        )));
    }
    let directory = sandbox.scratch.join("devices");
    std::fs::create_dir_all(&directory).map_err(BuildError::io(&directory))?;
    let number = sandbox.device_replies.len();
    let host = directory.join(number.to_string());
    let whole = attach.offset == 0 && attach.size.is_none() && !attach.read_only;
    let size = attach.size.unwrap_or(length - attach.offset);
    let copy = match whole && of == Use::Bytes {
        true => link(&image, &host).map(|()| None),
        false => Copy::new(&image, attach, size, of, &host).map(Some),
    };
    let key = Key::new(&metadata, attach.offset, size);
    let beginning = key.beginning(&image).map_err(failed)?;
    let contract = format!("/dev/image{number}");
    sandbox.grant_device(&contract, &host);
    sandbox.parts.insert(contract.clone(), (key, beginning));
    let part = Part {
        key,
        before: beginning,
        image,
        copy: copy.map_err(failed)?,
    };
    Ok((part, json!({ "path": contract })))
}

/// Opens the image as if the tree were `/`.
fn open_image(sandbox: &Sandbox, attach: &Attach) -> io::Result<File> {
    let tree = sandbox.roots.iter().find(|root| root.contract == TREE);
    let tree = tree.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&tree.host, flags, Mode::empty())?;
    let flags = match attach.read_only {
        true => OFlags::RDONLY,
        false => OFlags::RDWR,
    };
    let path = Path::new(&attach.path);
    let path = path.strip_prefix(TREE).unwrap_or(path);
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let image: OwnedFd = openat2(
        root,
        path,
        flags | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?;
    Ok(image.into())
}

/// Another name for the image where only we can change it.
fn link(image: &File, host: &Path) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", image.as_raw_fd());
    Ok(linkat(CWD, path, CWD, host, AtFlags::SYMLINK_FOLLOW)?)
}

impl Copy {
    fn new(image: &File, attach: &Attach, size: u64, of: Use, host: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(host)?;
        file.set_len(size)?;
        if of == Use::Bytes {
            copy_part(image, attach.offset, &file, 0, size)?;
        }
        let times = Timestamps {
            last_access: UNTOUCHED,
            last_modification: UNTOUCHED,
        };
        futimens(&file, &times)?;
        Ok(Self {
            file,
            size,
            of,
            read_only: attach.read_only,
        })
    }

    fn write_back(&self, image: &File, offset: u64) -> io::Result<()> {
        if self.file.metadata()?.len() != self.size {
            return Err(io::Error::other(
                "a program has changed the size of the device",
            ));
        }
        copy_part(&self.file, 0, image, offset, self.size)
    }

    fn changed(&self) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        let untouched = (metadata.mtime(), metadata.mtime_nsec()) == (0, 0);
        Ok(!self.read_only && !untouched)
    }
}

impl Part {
    /// Brings what changed into the image, and notes it.
    pub(crate) fn release(self, file_systems: &FileSystems) -> io::Result<()> {
        let by_bytes = match &self.copy {
            None if self.key.beginning(&self.image)? == self.before => return Ok(()),
            None => true,
            Some(copy) if !copy.changed()? => return Ok(()),
            Some(copy) => {
                copy.write_back(&self.image, self.key.offset)?;
                copy.of == Use::Bytes
            }
        };
        let beginning = self.key.beginning(&self.image)?;
        file_systems.left(self.key, by_bytes, beginning);
        Ok(())
    }
}
