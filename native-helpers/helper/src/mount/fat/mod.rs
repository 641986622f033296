//! FAT without the kernel: a directory stands for the file system while it is mounted.
//!
//! The content of the file system is copied into the directory first, and what changed there is copied back when it is unmounted,
//! both by mtools, which work on the device itself. FAT has neither owners nor modes, so nothing is lost; what it cannot hold is an
//! error when it is unmounted.

mod mtools;
mod names;
mod plan;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{Failure, Mount};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, fchmod, fchown,
    fstat, fsync, openat, utimensat,
};
use rustix::path::Arg;

use self::mtools::Mtools;
use self::plan::{Plan, Snapshot};
use super::place::Place;
use crate::device::Node;
use crate::failure::About;
use crate::runner::Scratch;
use crate::session::{Resource, Session};

/// The times that FAT knows, in seconds since 1970: the years 1980 to 2107.
const TIMES: (i64, i64) = (315_532_800, 4_354_819_198);

/// A mounted directory that stands for a FAT file system.
pub struct Staged {
    contract: String,
    /// Holds the directory and what mtools need; removed at the end.
    work: PathBuf,
    tools: Mtools,
    /// What was in it; none: it is read-only.
    before: Option<Snapshot>,
    place: Place,
}

/// Mounts a directory with the content of the file system on `device`.
pub fn mount(
    session: &Session,
    mount: &Mount,
    device: Node,
    target: &OwnedFd,
) -> Result<Staged, Failure> {
    let look = Look::of(&mount.options);
    let work = Scratch::of(&session.access)?.fresh("fat")?;
    let tools = Mtools::new(device, &work, look.lower)?;
    let staged = stage(session, mount, &look, &tools, target);
    let (before, place) = staged.inspect_err(|_| discard(&work))?;
    Ok(Staged {
        contract: mount.target.clone(),
        work,
        tools,
        before,
        place,
    })
}

fn stage(
    session: &Session,
    mount: &Mount,
    look: &Look,
    tools: &Mtools,
    target: &OwnedFd,
) -> Result<(Option<Snapshot>, Place), Failure> {
    let files = tools.files();
    tools.copy_out(session, &mount.device)?;
    look.apply(files)
        .about(&mount.target, "prepare this file system")?;
    let before = Snapshot::of(files).about(&mount.target, "look at this file system")?;
    let directory = File::open(files).about(&mount.target, "open this file system")?;
    let place = Place::bind(&directory, target, mount.read_only, &mount.target)?;
    Ok(((!mount.read_only).then_some(before), place))
}

impl Resource for Staged {
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure> {
        let Self {
            contract,
            work,
            tools,
            before,
            place,
        } = *self;
        let detached = place.detach();
        let written = match (&detached, before) {
            (Ok(()), Some(before)) => write_back(session, &tools, &before, &contract),
            _ => Ok(()),
        };
        discard(&work);
        detached.and(written)
    }
}

/// Copies what changed, looks whether it arrived, and waits until the device has it.
fn write_back(
    session: &Session,
    tools: &Mtools,
    before: &Snapshot,
    contract: &str,
) -> Result<(), Failure> {
    let files = tools.files();
    let after = Snapshot::of(files).about(contract, "look at this file system")?;
    let plan = Plan::between(before, &after);
    if plan.is_empty() {
        return Ok(());
    }
    names::check(&after)?;
    let latest = session.access.grant.source_epoch.unwrap_or(TIMES.1);
    for path in plan.changed(&after) {
        clamp(&files.join(path), latest).about(path, "set the time of this file")?;
    }
    tools.copy_in(session, &plan, &after)?;
    let device = File::options().read(true).write(true).open(tools.device());
    let device = device.about(contract, "open this device")?;
    fsync(&device).about(contract, "write back this device")
}

/// Brings the time of modification into what FAT knows, and to the source epoch when it is later.
fn clamp(path: &Path, latest: i64) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let seconds = path.symlink_metadata()?.mtime();
    let clamped = seconds.min(latest).clamp(TIMES.0, TIMES.1);
    if clamped == seconds {
        return Ok(());
    }
    let time = Timespec {
        tv_sec: clamped,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn discard(work: &Path) {
    let _ = std::fs::remove_dir_all(work);
}

/// How the mount options say that files look.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    uid: u32,
    gid: u32,
    mode: u32,
    /// Show names in lower case that were stored in upper case only.
    lower: bool,
}

impl Look {
    /// The options were checked before.
    fn of(options: &[String]) -> Self {
        let value = |name: &str| {
            let pairs = options.iter().filter_map(|option| option.split_once('='));
            pairs
                .filter(|pair| pair.0 == name)
                .map(|pair| pair.1)
                .next_back()
        };
        let number = |name: &str| {
            value(name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(0)
        };
        let umask = value("umask").and_then(|value| u32::from_str_radix(value, 8).ok());
        Self {
            uid: number("uid"),
            gid: number("gid"),
            mode: 0o777 & !umask.unwrap_or(0o022),
            lower: value("shortname") == Some("lower"),
        }
    }

    /// Gives owner and mode to everything in a directory and to itself. What is in it was made by a program of the build root: only
    /// files and directories can come from a FAT file system, and no link is followed.
    fn apply(&self, path: &Path) -> std::io::Result<()> {
        self.apply_to(open_beneath(CWD, path)?)
    }

    fn apply_to(&self, file: OwnedFd) -> std::io::Result<()> {
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => {
                for entry in Dir::read_from(&file)? {
                    let name = entry?.file_name().to_owned();
                    if !matches!(name.to_bytes(), b"." | b"..") {
                        self.apply_to(open_beneath(&file, &name)?)?;
                    }
                }
            }
            _ => return Err(std::io::Error::other("mcopy made what FAT cannot hold")),
        }
        fchmod(&file, Mode::from_raw_mode(self.mode))?;
        if (self.uid, self.gid) == (0, 0) {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        Ok(fchown(&file, Some(uid), Some(gid))?)
    }
}

/// Opens a file or a directory, and no link.
fn open_beneath(directory: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_how_files_look() {
        let look = |options: &[&str]| {
            Look::of(&options.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let plain = Look {
            uid: 0,
            gid: 0,
            mode: 0o755,
            lower: false,
        };
        assert_eq!(look(&[]), plain);
        assert_eq!(look(&["utf8", "shortname=winnt"]), plain);
        let other = Look {
            uid: 1,
            gid: 2,
            mode: 0o700,
            lower: true,
        };
        assert_eq!(
            look(&["uid=1", "gid=2", "umask=077", "shortname=lower"]),
            other
        );
    }

    #[test]
    fn what_is_no_file_of_fat_is_refused_and_no_link_is_followed() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let (files, outside) = (scratch.path().join("files"), scratch.path().join("outside"));
        std::fs::create_dir(&files).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o700)).unwrap();
        let look = Look::of(&["umask=000".into()]);
        look.apply(&files).unwrap();
        assert_eq!(
            files.metadata().unwrap().permissions().mode() & 0o777,
            0o777
        );
        std::os::unix::fs::symlink(&outside, files.join("link")).unwrap();
        assert!(look.apply(&files).is_err());
        assert_eq!(
            outside.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn times_that_fat_does_not_know_are_moved() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let seconds = |latest| {
            clamp(file.path(), latest).unwrap();
            std::os::unix::fs::MetadataExt::mtime(&file.path().metadata().unwrap())
        };
        assert_eq!(seconds(1_000_000_000), 1_000_000_000);
        assert_eq!(seconds(TIMES.1), 1_000_000_000);
        assert_eq!(seconds(0), TIMES.0);
    }
}
