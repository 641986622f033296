//! File systems without block devices: a directory stands for one while it is mounted, and when it is unmounted the file system is
//! made anew from the directory, by the program and with the arguments that made it first.
//!
//! What the program does not take over from the directory is either repaired afterwards (see [`ext4`], [`btrfs`] and [`xfs`]) or refused: an image
//! never differs from the directory in silence.

mod btrfs;
mod content;
mod ext4;
mod fold;
mod xfs;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure, FileSystem, MountDirectory};

use self::content::Content;
use self::fold::Folds;
use super::kernel::kernel_name;
use super::place::Place;
use crate::device::Node;
use crate::failure::{About, invalid};
use crate::runner::Scratch;
use crate::sandbox;
use crate::sandbox::Shown;
use crate::session::{Resource, Session};

/// What the programs see.
const FILES: &str = "/run/files";
const IMAGE: &str = "/run/image";

/// A mounted directory.
pub struct Mounted {
    contract: String,
    directory: OwnedFd,
    /// The file that takes the file system.
    image: Node,
    /// None: it is read-only.
    maker: Option<Maker>,
    place: Place,
}

/// Mounts the directory; `image` is the file that stands for the device.
pub fn mount(
    mount: &MountDirectory,
    directory: OwnedFd,
    image: Node,
    target: &OwnedFd,
) -> Result<Mounted, Failure> {
    let maker = Maker::of(mount)?;
    let place = Place::bind(&directory, target, mount.read_only, &mount.target)?;
    Ok(Mounted {
        contract: mount.target.clone(),
        directory,
        image,
        maker: (!mount.read_only).then_some(maker),
        place,
    })
}

impl Resource for Mounted {
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure> {
        let Self {
            contract,
            directory,
            image,
            maker,
            place,
        } = *self;
        place.detach()?;
        let Some(maker) = maker else {
            return Ok(());
        };
        maker
            .make(session, &directory, &image)
            .map_err(|failure| Failure {
                detail: format!(
                    "the {} file system of {contract} cannot be made from its files: {}",
                    kernel_name(maker.kind),
                    failure.detail
                ),
                ..failure
            })
    }
}

/// How a file system is made.
struct Maker {
    kind: FileSystem,
    program: &'static str,
    /// With [`IMAGE`] in the place of the device.
    arguments: Vec<OsString>,
}

impl Maker {
    fn of(mount: &MountDirectory) -> Result<Self, Failure> {
        let program = match mount.kind {
            FileSystem::Ext4 => "mkfs.ext4",
            FileSystem::Btrfs => "mkfs.btrfs",
            FileSystem::Xfs => "mkfs.xfs",
            _ => {
                let detail = format!(
                    "{} cannot be made from a directory here",
                    kernel_name(mount.kind)
                );
                return Err(Failure::new(ErrorCode::Unsupported, &mount.device, detail));
            }
        };
        let (made_by, arguments) = mount.make.split_first().unwrap_or((&mount.device, &[]));
        let of_device = |argument: &&String| **argument == mount.device;
        if made_by != program || arguments.iter().filter(of_device).count() != 1 {
            let detail = format!("this is not how {program} makes a file system on the device");
            return Err(invalid(mount.make.join(" "), detail));
        }
        let arguments = arguments
            .iter()
            .map(|argument| match *argument == mount.device {
                true => IMAGE.into(),
                false => argument.into(),
            });
        Ok(Self {
            kind: mount.kind,
            program,
            arguments: arguments.collect(),
        })
    }

    fn make(&self, session: &Session, directory: &OwnedFd, image: &Node) -> Result<(), Failure> {
        let content = Content::new(directory);
        content.check()?;
        empty(&image.path).about(self.program, "empty the image")?;
        match self.kind {
            FileSystem::Xfs => xfs::make(self, session, &content, image),
            FileSystem::Btrfs => {
                let size = image.path.metadata();
                let size = size.about(self.program, "look at the image")?.len();
                let folds = Folds::of(&content, btrfs::EXTENT, usize::MAX)?;
                let made = self.make_of(session, "--rootdir", directory, image);
                folds
                    .unfold()
                    .about(self.program, "give files their holes back")?;
                made?;
                btrfs::repair(&content, image, (size, &folds))
            }
            _ => {
                self.make_of(session, "-d", directory, image)?;
                ext4::repair(self, session, &content, image)
            }
        }
    }

    /// Runs the program with the option that fills the file system from a directory.
    fn make_of(
        &self,
        session: &Session,
        option: &str,
        directory: &OwnedFd,
        image: &Node,
    ) -> Result<(), Failure> {
        let mut arguments = self.arguments.clone();
        arguments.extend([option, FILES].map(OsString::from));
        let all = vec![files(directory)?, shown(image)?];
        self.run(session, self.program, arguments, all).map(drop)
    }

    /// Runs a program that sees the image and what is shown; what it prints is returned.
    fn run(
        &self,
        session: &Session,
        program: &str,
        arguments: Vec<OsString>,
        mut shown: Vec<Shown>,
    ) -> Result<String, Failure> {
        shown.extend(configuration(session)?);
        let finished = session.run_alone(program, arguments, &[], shown, None)?;
        let text = String::from_utf8_lossy(&finished.output).into_owned();
        if finished.status == 0 {
            return Ok(text);
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.collect();
        let last = lines[lines.len().saturating_sub(3)..].join("; ");
        let full = [
            "No space left",
            "Could not allocate",
            "not enough",
            "too small",
        ];
        let code = match full.iter().any(|words| text.contains(words)) {
            true => ErrorCode::NoSpace,
            false => ErrorCode::Io,
        };
        Err(Failure::new(code, "", format!("{program}: {last}")))
    }
}

/// Leaves nothing of what is in the file.
fn empty(image: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).open(image)?;
    let size = file.metadata()?.len();
    file.set_len(0)?;
    file.set_len(size)
}

fn files(directory: &OwnedFd) -> Result<Shown, Failure> {
    Ok(Shown::File {
        file: directory.try_clone().about(FILES, "copy a descriptor")?,
        target: FILES.into(),
        read_only: true,
    })
}

fn shown(image: &Node) -> Result<Shown, Failure> {
    image.shown_at(IMAGE)
}

/// The defaults of mke2fs, which the stage that made the file system had as well.
fn configuration(session: &Session) -> Result<Option<Shown>, Failure> {
    let root = sandbox::root_directory(&session.access)?;
    let file = sandbox::view::part(&root, "etc/mke2fs.conf")?;
    Ok(file.map(|file| Shown::File {
        file,
        target: "/etc/mke2fs.conf".into(),
        read_only: true,
    }))
}

/// A file with words for a program, removed when dropped.
struct Script(PathBuf);

impl Script {
    fn new(session: &Session) -> Result<Self, Failure> {
        Ok(Self(Scratch::of(&session.access)?.fresh("script")?))
    }

    /// For several files.
    fn directory(&self) -> &Path {
        &self.0
    }

    fn path(&self) -> PathBuf {
        self.0.join("commands")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: FileSystem, make: &[&str]) -> Result<Maker, Failure> {
        Maker::of(&MountDirectory {
            device: "/dev/part0".into(),
            target: "/run/osbuild/mounts/root".into(),
            kind,
            read_only: false,
            make: make.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn a_file_system_is_made_as_it_was_made_first() {
        let maker = of(FileSystem::Ext4, &["mkfs.ext4", "-L", "root", "/dev/part0"]).unwrap();
        assert_eq!(maker.arguments, ["-L", "root", IMAGE]);
        for (kind, make) in [
            (FileSystem::Ext4, &["mkfs.btrfs", "/dev/part0"][..]),
            (FileSystem::Ext4, &["mkfs.ext4"]),
            (FileSystem::Ext4, &["mkfs.ext4", "/dev/part0", "/dev/part0"]),
            (FileSystem::Ext4, &[]),
            (FileSystem::Vfat, &["mkfs.fat", "/dev/part0"]),
        ] {
            assert!(of(kind, make).is_err(), "{make:?}");
        }
    }
}
