//! mtools, in a sandbox that shows them one device and one directory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};

use super::plan::{Plan, Snapshot};
use crate::device::Node;
use crate::failure::About;
use crate::quota::{Quota, Usage};
use crate::sandbox::Shown;
use crate::session::Session;

/// What mtools see.
const FILES: &str = "/run/files";
const DEVICE: &str = "/run/device";
const CONFIGURATION: &str = "/run/mtoolsrc";

/// The device is drive `x:`. It is ours alone, so no lock is asked for (the loop device may have one), and it may be any size.
const SETTINGS: &str = "mtools_skip_check=1\ndrive x:\n  file=\"/run/device\" nolock\n";

/// Bytes of an entry of a directory: so many files there can be at most.
const SMALLEST_ENTRY: u64 = 32;

/// What the blocks of a disk may take beyond the bytes of files.
const SLACK: u64 = 16 << 20;

/// Arguments of one program at most.
const MANY: usize = 500;

/// How mtools are run for one file system.
#[derive(Debug)]
pub struct Mtools {
    files: PathBuf,
    device: Node,
    configuration: PathBuf,
    lower: bool,
}

impl Mtools {
    /// Prepares a directory for files and the configuration in `work`.
    pub fn new(device: Node, work: &Path, lower: bool) -> Result<Self, Failure> {
        let tools = Self {
            files: work.join("files"),
            device,
            configuration: work.join("mtoolsrc"),
            lower,
        };
        std::fs::create_dir(&tools.files).about(&tools.files, "make a directory")?;
        let written = std::fs::write(&tools.configuration, SETTINGS);
        written.about(&tools.configuration, "write a temporary file")?;
        Ok(tools)
    }

    /// The directory that stands for the file system.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// A path that leads to the device.
    pub fn device(&self) -> &Path {
        &self.device.path
    }

    /// Copies the whole content out; `device` is its name for messages.
    pub fn copy_out(&self, session: &Session, device: &str) -> Result<(), Failure> {
        let arguments = ["-s", "-p", "-m", "-n", "-Q", "x:", FILES];
        let what = format!("cannot read the FAT file system of {device}");
        self.run(
            session,
            "mcopy",
            arguments.map(OsString::from).into(),
            &what,
        )
        .map(drop)
    }

    /// Removes and copies what the plan says.
    pub fn copy_in(&self, session: &Session, plan: &Plan, after: &Snapshot) -> Result<(), Failure> {
        let what = "cannot write the FAT file system";
        for (program, paths) in [("mdel", &plan.files), ("mdeltree", &plan.trees)] {
            for paths in paths.chunks(MANY) {
                let arguments = paths.iter().map(|path| on_drive(path)).collect();
                self.run(session, program, arguments, what)?;
            }
        }
        for (directory, paths) in &plan.copies {
            for paths in paths.chunks(MANY) {
                let mut arguments: Vec<OsString> =
                    ["-s", "-p", "-m", "-o", "-Q"].map(OsString::from).into();
                arguments.extend(paths.iter().map(|path| Path::new(FILES).join(path).into()));
                let mut target = on_drive(directory);
                if !directory.as_os_str().is_empty() {
                    target.push("/");
                }
                arguments.push(target);
                self.run(session, "mcopy", arguments, what)?;
            }
        }
        self.compare(session, after)
    }

    /// Fails when something is missing or has another name: FAT stores some names in a code page.
    fn compare(&self, session: &Session, after: &Snapshot) -> Result<(), Failure> {
        let arguments = ["-b", "-/", "-a", "x:/"].map(OsString::from).into();
        let listing = self.run(
            session,
            "mdir",
            arguments,
            "cannot list the FAT file system",
        )?;
        // A complaint without line end may stand before a path; no path has a colon.
        let found: BTreeSet<&Path> = listing
            .lines()
            .filter_map(|line| line.split_once("X:/"))
            .map(|(_, path)| Path::new(path.trim_end_matches('/')))
            .collect();
        let missing = after.paths().find(|path| !found.contains(path));
        missing.map_or(Ok(()), |path| {
            let detail = "a FAT file system made by mtools cannot hold this name as it is";
            Err(Failure::new(
                ErrorCode::Unsupported,
                path.to_string_lossy(),
                detail,
            ))
        })
    }

    /// Files that share clusters, or say that they do, could fill a disk: what comes out of a file system is no larger than it is.
    fn quota(&self) -> Result<Option<Quota>, Failure> {
        let path = self.device();
        let device = File::open(path).about(path, "open this device")?;
        let size = (&device).seek(SeekFrom::End(0));
        let bytes = size.about(path, "learn its size")?;
        let limit = Usage {
            bytes: bytes.saturating_add(SLACK),
            inodes: bytes / SMALLEST_ENTRY + 1,
        };
        let files = File::open(&self.files).about(&self.files, "open this directory")?;
        Quota::new(vec![files.into()], limit).map(Some)
    }

    /// Runs one of them and returns what it printed.
    fn run(
        &self,
        session: &Session,
        program: &str,
        arguments: Vec<OsString>,
        what: &str,
    ) -> Result<String, Failure> {
        let mut environment = vec![("MTOOLSRC", CONFIGURATION), ("TZ", "UTC")];
        if self.lower {
            environment.push(("MTOOLS_LOWER_CASE", "1"));
        }
        let shown = vec![
            self.device.shown_at(DEVICE)?,
            Shown::own(&self.files, FILES, false)?,
            Shown::own(&self.configuration, CONFIGURATION, true)?,
        ];
        let finished = session.run_alone(program, arguments, &environment, shown, self.quota()?)?;
        let text = String::from_utf8_lossy(&finished.output).into_owned();
        if finished.status == 0 {
            return Ok(text);
        }
        Err(refused(program, what, &text))
    }
}

/// The failure that mtools printed.
fn refused(program: &str, what: &str, text: &str) -> Failure {
    // Said about every device that is no floppy disk.
    let noise = |line: &&str| !line.contains("geometry of device");
    let reasons: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .filter(noise)
        .collect();
    if text.contains("Disk full") {
        return Failure::new(ErrorCode::NoSpace, "", format!("{what}: it is full"));
    }
    Failure::new(
        ErrorCode::Io,
        "",
        format!("{what}: {program}: {}", reasons.join("; ")),
    )
}

/// A path on the drive, with the characters quoted that mtools would take for a pattern.
fn on_drive(path: &Path) -> OsString {
    let mut text = String::from("x:/");
    for character in path.to_string_lossy().chars() {
        if "[]*?\\".contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_quoted() {
        assert_eq!(
            on_drive(Path::new("EFI/a[1].efi")),
            OsString::from(r"x:/EFI/a\[1\].efi")
        );
        assert_eq!(on_drive(Path::new("")), OsString::from("x:/"));
    }

    #[test]
    fn the_reason_is_told() {
        let failure = refused(
            "mcopy",
            "cannot write",
            "Could not get geometry of device (x)Disk full\n",
        );
        assert_eq!(
            (failure.code, failure.detail.as_str()),
            (ErrorCode::NoSpace, "cannot write: it is full")
        );
        let failure = refused(
            "mcopy",
            "cannot read",
            "init X: non DOS media\nCannot initialize 'X:'\n",
        );
        assert_eq!(
            failure.detail,
            "cannot read: mcopy: init X: non DOS media; Cannot initialize 'X:'"
        );
    }
}
