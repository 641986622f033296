//! Archives of the "new ASCII" format of cpio, which the kernel unpacks as its first root directory (initramfs buffer format in the
//! kernel's documentation).
use std::io::{self, Read, Write};

/// File types of st_mode.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTERS: u32 = 0o020_000;

/// What every header begins with.
const MAGIC: &str = "070701";

/// Writes an archive.
pub(crate) struct Archive<W> {
    to: W,
    /// Number of entries so far, which numbers their inodes.
    entries: u32,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, entries: 0 }
    }

    /// A directory; those above it must be there. Names are relative to the root.
    pub(crate) fn directory(&mut self, name: &str) -> io::Result<()> {
        self.header(name, DIRECTORY | 0o755, 0, (0, 0))
    }

    /// A node of a device of characters.
    pub(crate) fn characters(&mut self, name: &str, device: (u32, u32)) -> io::Result<()> {
        self.header(name, CHARACTERS | 0o600, 0, device)
    }

    /// A regular file of `size` bytes.
    pub(crate) fn file(&mut self, name: &str, size: u64, from: impl Read) -> io::Result<()> {
        let size = u32::try_from(size)
            .map_err(|_| io::Error::other("larger than a file of an initial RAM disk may be"))?;
        self.header(name, REGULAR | 0o755, size, (0, 0))?;
        let copied = io::copy(&mut from.take(size.into()), &mut self.to)?;
        match copied == u64::from(size) {
            true => self.pad(size as usize),
            false => Err(io::Error::other("shrank while it was read")),
        }
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.header("TRAILER!!!", 0, 0, (0, 0))?;
        self.to.flush()
    }

    fn header(
        &mut self,
        name: &str,
        mode: u32,
        size: u32,
        (major, minor): (u32, u32),
    ) -> io::Result<()> {
        self.entries += 1;
        let length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // Inode, mode, user, group, links, time, size, device (2), device of a node (2), length of the name, checksum (not used).
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            major,
            minor,
            length,
            0,
        ];
        write!(self.to, "{MAGIC}")?;
        for field in fields {
            write!(self.to, "{field:08x}")?;
        }
        write!(self.to, "{name}\0")?;
        self.pad(MAGIC.len() + fields.len() * 8 + name.len() + 1)
    }

    /// Fills up to a multiple of four bytes.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.to
            .write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn another_program_reads_what_was_written() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.directory("dev").unwrap();
        archive.characters("dev/console", (5, 1)).unwrap();
        archive.file("a", 5, &b"hello"[..]).unwrap();
        archive.finish().unwrap();
        let started = Command::new("cpio")
            .args(["-itv", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut cpio) = started else {
            assert!(std::env::var_os("CI").is_none(), "cpio is missing");
            return;
        };
        cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = cpio.wait_with_output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = listed.lines().collect();
        assert!(output.status.success() && lines.len() == 3, "{listed}");
        assert!(lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with("dev"));
        assert!(lines[1].starts_with("crw-------") && lines[1].contains("5,   1"));
        assert!(
            lines[2].contains("5 Jan") || lines[2].contains("        5 "),
            "{listed}"
        );
    }
}
