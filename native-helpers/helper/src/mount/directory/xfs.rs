//! XFS of a directory, by the prototype of mkfs.xfs(8), and xfs_db(8) for what a prototype does not say: sticky and inherited bits of
//! modes, and times. A prototype has no hard links, no attributes, no sockets and no blanks in names; these are refused.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::fs::{major, minor};

use super::content::{Content, attributes};
use super::{FILES, IMAGE, Maker, Script, files, shown};
use crate::device::Node;
use crate::failure::About;
use crate::sandbox::Shown;
use crate::session::Session;

const PROTOTYPE: &str = "/run/prototype";
const COMMANDS: &str = "/run/commands";

/// A line of a prototype or of commands is no longer than this.
const LONGEST: usize = 4000;

/// The seconds from the first moment that an inode knows to 1970.
const BEFORE_1970: i128 = 1 << 31;

/// Makes the file system.
pub fn make(
    maker: &Maker,
    session: &Session,
    content: &Content<'_>,
    image: &Node,
) -> Result<(), Failure> {
    let script = Script::new(session)?;
    write_prototype(content, &script.path())?;
    let mut arguments = maker.arguments.clone();
    arguments.extend(["-p", PROTOTYPE].map(OsString::from));
    let prototype = Shown::own(&script.path(), PROTOTYPE, true)?;
    let all = vec![prototype, files(content.directory)?, shown(image)?];
    maker.run(session, maker.program, arguments, all)?;
    let script = Script::new(session)?;
    write_commands(content, &script.path())?;
    let arguments = ["-x", "-f", "-c", "source /run/commands", IMAGE];
    let arguments = arguments.map(OsString::from).into();
    let commands = Shown::own(&script.path(), COMMANDS, true)?;
    let printed = maker.run(session, "xfs_db", arguments, vec![commands, shown(image)?])?;
    // It ends with 0 whatever happened; what it sets it repeats.
    let mut lines = printed.lines().filter(|line| !line.is_empty());
    if lines.next() != Some("v3.bigtime = 1") {
        let detail =
            "made without a device it cannot have times as 32-bit numbers: use loop devices";
        return Err(Failure::new(ErrorCode::Unsupported, "", detail));
    }
    match lines.find(|line| !line.starts_with("core.")) {
        None => Ok(()),
        Some(line) => Err(Failure::new(ErrorCode::Io, "", format!("xfs_db: {line}"))),
    }
}

/// Writes the prototype: a directory's entries follow it, and end with a line of their own.
fn write_prototype(content: &Content<'_>, to: &Path) -> Result<(), Failure> {
    let file = File::create(to).about(to, "write a temporary file")?;
    let mut out = BufWriter::new(file);
    let mut seen = BTreeSet::new();
    out.write_all(b"/dev/null\n0 0\n")
        .about(to, "write a temporary file")?;
    // What is still to be written: entries, and ends of directories.
    let mut todo = vec![Some(content.top.to_owned())];
    while let Some(step) = todo.pop() {
        let Some(path) = step else {
            out.write_all(b"$\n").about(to, "write a temporary file")?;
            continue;
        };
        let metadata = path.symlink_metadata().about(&path, "look at this file")?;
        if !metadata.is_dir() && metadata.nlink() > 1 && !seen.insert(metadata.ino()) {
            return Err(content.cannot(&path, "hard links"));
        }
        let line = line(content, &path, &metadata)?;
        out.write_all(&line).about(to, "write a temporary file")?;
        if metadata.is_dir() {
            todo.push(None);
            todo.extend(entries(&path)?.into_iter().rev().map(Some));
        }
    }
    out.flush().about(to, "write a temporary file")
}

/// What is in a directory, by name.
fn entries(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = path.read_dir().about(path, "list this directory")?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.about(path, "list this directory")?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Name (none for the root), type and mode, owners, and what belongs to the type.
fn line(content: &Content<'_>, path: &Path, metadata: &Metadata) -> Result<Vec<u8>, Failure> {
    let inside = content.inside(path);
    let kind = metadata.file_type();
    if !attributes(path)?.is_empty() {
        return Err(content.cannot(path, "attributes of files"));
    }
    let mut rest = Vec::new();
    let letter = match () {
        () if kind.is_dir() => 'd',
        () if kind.is_file() => {
            rest = Path::new(FILES)
                .join(inside)
                .as_os_str()
                .as_bytes()
                .to_vec();
            '-'
        }
        () if kind.is_symlink() => {
            let target = path.read_link().about(path, "read this link")?;
            rest = target.as_os_str().as_bytes().to_vec();
            'l'
        }
        () if kind.is_fifo() => 'p',
        () if kind.is_char_device() || kind.is_block_device() => {
            let device = metadata.rdev();
            rest = format!("{} {}", major(device), minor(device)).into_bytes();
            if kind.is_char_device() { 'c' } else { 'b' }
        }
        () => return Err(content.cannot(path, "sockets")),
    };
    let name = inside.file_name().unwrap_or_default().as_bytes();
    let is_node = kind.is_char_device() || kind.is_block_device();
    let root = inside.as_os_str().is_empty();
    if (!root && !is_word(name)) || (!is_node && !rest.is_empty() && !is_word(&rest)) {
        return Err(content.cannot(path, "blanks in names or links"));
    }
    let mut line = name.to_vec();
    let bit = |bit: u32, letter: char| {
        if metadata.mode() & bit != 0 {
            letter
        } else {
            '-'
        }
    };
    let (set_user, set_group) = (bit(0o4000, 'u'), bit(0o2000, 'g'));
    let permissions = metadata.mode() & 0o777;
    let (uid, gid) = (metadata.uid(), metadata.gid());
    line.extend(format!(" {letter}{set_user}{set_group}{permissions:03o} {uid} {gid} ").bytes());
    line.extend(rest);
    line.push(b'\n');
    match line.len() < LONGEST {
        true => Ok(line),
        false => Err(content.cannot(path, "paths as long as this")),
    }
}

/// Whether a prototype has it as one word: it has blanks between words, comments behind colons, and a dollar at the end of a directory.
fn is_word(bytes: &[u8]) -> bool {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    !bytes.is_empty() && !bytes.iter().any(blank) && bytes[0] != b':' && bytes != b"$"
}

/// Writes what xfs_db has to set: every time, and modes with bits that a prototype loses or hands down.
fn write_commands(content: &Content<'_>, to: &Path) -> Result<(), Failure> {
    let file = File::create(to).about(to, "write a temporary file")?;
    let mut out = BufWriter::new(file);
    content.visit(&mut |path, metadata| {
        let inside = content.inside(path);
        let mut text = b"path /".to_vec();
        text.extend(inside.as_os_str().as_bytes());
        text.push(b'\n');
        if inside.as_os_str().is_empty() {
            text.extend(b"print v3.bigtime\n");
        }
        if metadata.is_dir() {
            text.extend(format!("write core.mode 0{:o}\n", metadata.mode()).bytes());
        }
        let time = time(metadata.mtime(), metadata.mtime_nsec());
        text.extend(format!("write core.mtime.sec {time}\n").bytes());
        out.write_all(&text).about(to, "write a temporary file")
    })?;
    out.flush().about(to, "write a temporary file")
}

/// A time as inodes with `bigtime` keep it, in the field that xfs_db calls its seconds: nanoseconds since 1901.
fn time(seconds: i64, nanoseconds: i64) -> u64 {
    let time = (i128::from(seconds) + BEFORE_1970) * 1_000_000_000 + i128::from(nanoseconds);
    u64::try_from(time.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prototype_has_words_only() {
        for fine in ["a", "a:b", "$a", "\"", "é"] {
            assert!(is_word(fine.as_bytes()), "{fine}");
        }
        for bad in ["", " ", "a b", "a\n", "a\u{b}", ":a", "$"] {
            assert!(!is_word(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn times_are_counted_from_1901() {
        assert_eq!(time(1_700_000_000, 123_456_789), 3_847_483_648_123_456_789);
        assert_eq!(time(-BEFORE_1970 as i64, 0), 0);
        assert_eq!(time(i64::MIN, 0), 0);
    }
}
