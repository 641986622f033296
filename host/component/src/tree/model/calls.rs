//! Calls, and the bytes that stand for them.
use super::TREE;
use crate::bindings::tree::{CopyOptions, OpenMode};
use crate::bindings::types::Error;
use crate::tree::Roots;

/// Permissions that the calls set; the user of this process may read and change objects with each of them.
const MODES: [u32; 3] = [0o700, 0o751, 0o1777];

/// One call. Paths are relative to the tree.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Write(String, u8),
    Read(String),
    Replace(String, u8),
    MakeDirectory(String),
    Symlink(String, String),
    HardLink(String, String),
    Rename(String, String),
    Remove(String),
    RemoveAll(String),
    List(String),
    Stat(String, bool),
    Copy(String, String, bool),
    Mode(String, u32),
}

impl Call {
    /// Carries it out on the tree; what comes back is only looked at as text.
    pub(super) fn carry_out(&self, roots: &Roots) -> Result<String, Error> {
        let at = |path: &str| format!("{TREE}/{path}");
        let done = |result: Result<(), Error>| result.map(|()| String::new());
        match self {
            Self::Write(path, byte) => {
                let file = roots.open(&at(path), OpenMode::Create, 0o644)?;
                done(file.write(0, &[*byte]))
            }
            Self::Read(path) => {
                let bytes = roots.open(&at(path), OpenMode::Read, 0)?.read_all()?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Self::Replace(path, byte) => done(roots.replace(&at(path), &[*byte], 0o644)),
            Self::MakeDirectory(path) => done(roots.create_directory(&at(path), 0o755)),
            Self::Symlink(text, path) => done(roots.symbolic_link(text, &at(path))),
            Self::HardLink(path, to) => done(roots.hard_link(&at(path), &at(to))),
            Self::Rename(path, to) => done(roots.rename(&at(path), &at(to))),
            Self::Mode(path, mode) => done(roots.set_mode(&at(path), *mode)),
            Self::Remove(path) => done(roots.remove(&at(path))),
            Self::RemoveAll(path) => done(roots.remove_all(&at(path))),
            Self::List(path) => roots
                .read_directory(&at(path))
                .map(|entries| format!("{entries:?}")),
            Self::Stat(path, follow) => roots
                .stat(&at(path), *follow)
                .map(|found| format!("{found:?}")),
            Self::Copy(path, to, follow) => {
                let options = CopyOptions {
                    remove_destination: false,
                    follow: *follow,
                };
                done(roots.copy(&at(path), &at(to), options))
            }
        }
    }
}

/// The calls that bytes stand for: any bytes do.
pub(super) struct Calls<'a>(std::slice::Iter<'a, u8>);

impl<'a> Calls<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    /// Few names, so that they meet.
    fn path(&mut self) -> Option<String> {
        const NAMES: [&str; 8] = ["a", "b", "c", "a", "b", "c", "secret", ".."];
        let number = usize::from(self.byte()? % 4);
        let names: Option<Vec<_>> = (0..number.max(1))
            .map(|_| Some(NAMES[usize::from(self.byte()?) % NAMES.len()]))
            .collect();
        Some(names?.join("/"))
    }

    /// Text of a link: also absolute, also out of the tree.
    fn text(&mut self) -> Option<String> {
        let start = ["", "/", "../", "../../outside/"][usize::from(self.byte()? % 4)];
        Some(format!("{start}{}", self.path()?))
    }
}

impl Iterator for Calls<'_> {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let kind = self.byte()?;
        Some(match kind % 17 {
            0 | 12 => Call::Write(self.path()?, self.byte()?),
            1 => Call::Read(self.path()?),
            2 => Call::Replace(self.path()?, self.byte()?),
            3 | 13 => Call::MakeDirectory(self.path()?),
            4 | 14 => Call::Symlink(self.text()?, self.path()?),
            5 => Call::HardLink(self.path()?, self.path()?),
            6 | 15 => Call::Rename(self.path()?, self.path()?),
            7 => Call::Remove(self.path()?),
            8 => Call::RemoveAll(self.path()?),
            9 => Call::List(self.path()?),
            10 => Call::Stat(self.path()?, kind > 127),
            16 => Call::Mode(self.path()?, MODES[usize::from(self.byte()?) % MODES.len()]),
            _ => Call::Copy(self.path()?, self.path()?, kind > 127),
        })
    }
}
