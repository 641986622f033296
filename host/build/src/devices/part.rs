//! A file that stands for a loop device: the image itself, or for a part of it a copy that goes back into the image.
//!
//! What stages and their programs see is a file of the stage's scratch directory, never a path in the tree, which they could turn into
//! a link.
use super::partitions;
use super::table::Disk;
use crate::file_systems::{Beginning, FileSystems, Key};
use crate::inputs::open_in_tree;
use crate::sandbox::{Sandbox, TREE, link_of};
use crate::sectors::{LARGE, USUAL};
use osbuild_wasm_files::copy_part;
use osbuild_wasm_protocol::Attach;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, futimens, linkat};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The modification time of a copy that was not written: 1970.
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
    /// Makes a partition table of large sectors.
    Table,
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
    /// The disk that it is a twin of.
    disk: Option<Disk>,
    read_only: bool,
}

/// Opens the part of an image and grants it to the stage under the returned contract path.
pub(super) fn open(attach: &Attach, of: Use, sandbox: &mut Sandbox) -> io::Result<(Part, String)> {
    let contract = contract(sandbox.device_replies.len());
    let image = open_image(sandbox, attach)?;
    let part = open_as(&contract, (image, attach), of, sandbox)?;
    Ok((part, contract))
}

/// The same for a partition of an image that is open as `disk`; none where there is no such partition.
pub(super) fn open_partition(
    attach: &Attach,
    number: u32,
    of: Use,
    (disk, sandbox): (&str, &mut Sandbox),
) -> io::Result<Option<(Part, String)>> {
    let image = open_image(sandbox, attach)?;
    // The table is that of the device, which may be a part of the file.
    if attach.offset != 0 {
        let what = "partitions of a device that is a part of a file need loop devices";
        return Err(io::Error::other(what));
    }
    let sector = u64::from(attach.sector_size);
    let Some((offset, size)) = partitions::find(&image, sector, number)? else {
        return Ok(None);
    };
    let attach = Attach {
        offset,
        size: Some(size),
        ..attach.clone()
    };
    let contract = format!("{disk}p{number}");
    let part = open_as(&contract, (image, &attach), of, sandbox)?;
    Ok(Some((part, contract)))
}

fn open_as(
    contract: &str,
    (image, attach): (File, &Attach),
    of: Use,
    sandbox: &mut Sandbox,
) -> io::Result<Part> {
    let host = sandbox.file_for_device()?;
    let file_systems = sandbox.file_systems.clone();
    let made = |part| file_systems.as_ref()?.size_at(part);
    let part = Part::open(image, attach, (of, &made), &host)?;
    sandbox.grant_device(contract, &host);
    let known = (part.key, part.before);
    sandbox.parts.insert(contract.to_owned(), known);
    if attach.sector_size != USUAL {
        let size = attach.sector_size;
        sandbox.sectors.insert(contract.to_owned(), size);
    }
    Ok(part)
}

/// Where the stage finds a part.
pub(crate) fn contract(number: usize) -> String {
    format!("/dev/image{number}")
}

/// Opens the image as if the tree were `/`.
pub(super) fn open_image(sandbox: &Sandbox, attach: &Attach) -> io::Result<File> {
    let path = attach.path.strip_prefix(TREE).unwrap_or(&attach.path);
    open_in_tree(&sandbox.tree()?, path, flags_of(attach), sandbox.links).map(File::from)
}

/// Opens the image that a handle names.
pub(crate) fn reopen_image(handle: &impl AsRawFd, attach: &Attach) -> io::Result<File> {
    let opened = rustix::fs::open(link_of(handle), flags_of(attach), Mode::empty())?;
    Ok(opened.into())
}

fn flags_of(attach: &Attach) -> OFlags {
    let access = match attach.read_only {
        true => OFlags::RDONLY,
        false => OFlags::RDWR,
    };
    access | OFlags::NONBLOCK | OFlags::CLOEXEC
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
        let disk = (of == Use::Table).then(|| Disk {
            at: attach.offset,
            size,
            sector: attach.sector_size.into(),
        });
        let size = disk.map_or(size, |disk| disk.twin_size());
        file.set_len(size)?;
        match (of, disk) {
            (_, Some(disk)) => disk.begin(image, &file)?,
            (Use::Bytes, _) => copy_part(image, attach.offset, &file, 0, size)?,
            _ => {}
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
            disk,
            read_only: attach.read_only,
        })
    }

    fn write_back(&self, image: &File, offset: u64) -> io::Result<()> {
        if self.file.metadata()?.len() != self.size {
            return Err(io::Error::other(
                "a program has changed the size of the device",
            ));
        }
        match self.disk {
            Some(disk) => disk.write(&self.file, image),
            None => copy_part(&self.file, 0, image, offset, self.size),
        }
    }

    fn changed(&self) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        let untouched = (metadata.mtime(), metadata.mtime_nsec()) == (0, 0);
        Ok(!self.read_only && !untouched)
    }
}

impl Part {
    /// Opens the part of an open image; `host` becomes the file that stands for it. A directory stands for the file system that
    /// was made there, whose size `made` tells: the part may be larger.
    pub(crate) fn open(
        image: File,
        attach: &Attach,
        (of, made): (Use, &dyn Fn(Key) -> Option<u64>),
        host: &Path,
    ) -> io::Result<Self> {
        if ![USUAL, LARGE].contains(&attach.sector_size) {
            return Err(io::Error::other(
                "sectors of another size than 512 or 4096 bytes need loop devices",
            ));
        }
        let metadata = image.metadata()?;
        let length = metadata.len();
        let end = attach.offset.checked_add(attach.size.unwrap_or(0));
        if !metadata.is_file() || end.is_none_or(|end| end > length) {
            return Err(io::Error::other(format!(
                "the part ends behind the end of the file ({length} bytes), or this is no file"
            )));
        }
        let whole = attach.offset == 0 && attach.size.is_none() && !attach.read_only;
        let size = attach.size.unwrap_or(length - attach.offset);
        let size = match of {
            Use::Bytes | Use::Table => size,
            Use::Directory => made(Key::new(&metadata, attach.offset, size)).unwrap_or(size),
        };
        let copy = match whole && of == Use::Bytes {
            true => link(&image, host).map(|()| None),
            false => Copy::new(&image, attach, size, of, host).map(Some),
        }?;
        let key = Key::new(&metadata, attach.offset, size);
        Ok(Self {
            key,
            before: key.beginning(&image)?,
            image,
            copy,
        })
    }

    /// What it is in the image.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// How what stands for it begins now.
    pub(crate) fn beginning(&self) -> io::Result<Beginning> {
        match &self.copy {
            None => self.key.beginning(&self.image),
            Some(copy) => self.key.at(0).beginning(&copy.file),
        }
    }

    /// Brings what changed into the image, and notes it.
    pub(crate) fn release(self, file_systems: &FileSystems) -> io::Result<()> {
        let by_bytes = match &self.copy {
            None if self.key.beginning(&self.image)? == self.before => return Ok(()),
            None => true,
            Some(copy) if !copy.changed()? => return Ok(()),
            Some(copy) => {
                copy.write_back(&self.image, self.key.offset)?;
                copy.of != Use::Directory
            }
        };
        let beginning = self.key.beginning(&self.image)?;
        file_systems.left(self.key, by_bytes, beginning);
        Ok(())
    }
}
