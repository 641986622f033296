//! What `mke2fs -d` does not take over from a directory: owner, mode and time of the root, and of all times what is below a second or
//! behind the year 2038. debugfs(8) sets them in the file system's inodes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure};

use super::content::Content;
use super::{IMAGE, Maker, Script, shown};
use crate::device::Node;
use crate::failure::About;
use crate::sandbox::Shown;
use crate::session::Session;

const COMMANDS: &str = "/run/commands";

/// A line of a script is cut by debugfs behind this many bytes.
const LONGEST: usize = 8000;

/// Sets what differs: by a script, and, one by one, by commands that are no line of a script because of a name in them.
pub fn repair(
    maker: &Maker,
    session: &Session,
    content: &Content<'_>,
    image: &Node,
) -> Result<(), Failure> {
    let script = Script::new(session)?;
    let single = write(content, &script.path())?;
    let commands = Shown::own(&script.path(), COMMANDS, true)?;
    let arguments = ["-w", "-f", COMMANDS, IMAGE].map(OsString::from).into();
    let printed = maker.run(session, "debugfs", arguments, vec![commands, shown(image)?])?;
    heed(&printed)?;
    for command in single {
        let request = [OsString::from("-R"), OsString::from_vec(command)];
        let arguments = [OsString::from("-w")].into_iter().chain(request);
        let arguments = arguments.chain([IMAGE.into()]).collect();
        let printed = maker.run(session, "debugfs", arguments, vec![shown(image)?])?;
        heed(&printed)?;
    }
    Ok(())
}

/// It repeats every command, and ends with 0 whatever happened; what is neither a command nor its version is a complaint.
fn heed(printed: &str) -> Result<(), Failure> {
    let mut lines = printed.lines();
    match lines.find(|line| !line.is_empty() && !line.starts_with("debugfs")) {
        None => Ok(()),
        Some(line) => Err(Failure::new(ErrorCode::Io, "", format!("debugfs: {line}"))),
    }
}

/// Writes the script and returns the commands that cannot stand in it.
fn write(content: &Content<'_>, path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let file = File::create(path).about(path, "write a temporary file")?;
    let mut out = BufWriter::new(file);
    let mut names = Names::new();
    let mut single = Vec::new();
    content.visit(&mut |path, metadata| {
        let inside = content.inside(path);
        let mut commands = names.joined(inside, metadata);
        commands.extend(self::commands(inside, metadata));
        let fits = |command: &Vec<u8>| command.len() < LONGEST && !command.contains(&b'\n');
        // What is done to one file is done in its order.
        if !commands.iter().all(fits) {
            single.append(&mut commands);
        }
        let mut lines = commands.iter();
        lines
            .try_for_each(|command| out.write_all(command).and_then(|()| out.write_all(b"\n")))
            .about(path, "write a temporary file")
    })?;
    out.flush().about(path, "write a temporary file")?;
    Ok(single)
}

/// The names of symbolic links with several, which the program makes a link each: by inode the first name, and how many there were.
struct Names(HashMap<u64, (Vec<u8>, u64)>);

impl Names {
    fn new() -> Self {
        Self(HashMap::new())
    }

    /// The commands that make a further name one of the same link.
    fn joined(&mut self, path: &Path, metadata: &Metadata) -> Vec<Vec<u8>> {
        if !metadata.is_symlink() || metadata.nlink() < 2 {
            return Vec::new();
        }
        let name = quoted(path);
        let Some((first, count)) = self.0.get_mut(&metadata.ino()) else {
            self.0.insert(metadata.ino(), (name, 1));
            return Vec::new();
        };
        *count += 1;
        let links = count.to_string().into_bytes();
        vec![
            words(&[b"rm", &name]),
            words(&[b"ln", first, &name]),
            words(&[b"set_inode_field", first, b"links_count", &links]),
        ]
    }
}

fn words(words: &[&[u8]]) -> Vec<u8> {
    words.join(&b' ')
}

/// The commands for one file; `path` is empty for the root.
fn commands(path: &Path, metadata: &Metadata) -> Vec<Vec<u8>> {
    let root = path.as_os_str().is_empty();
    let name = match root {
        true => b"<2>".to_vec(),
        false => quoted(path),
    };
    let set = |field: &str, value: String| {
        let mut command = b"set_inode_field ".to_vec();
        command.extend(&name);
        command.extend(format!(" {field} {value}").bytes());
        command
    };
    let mut commands = Vec::new();
    if root {
        commands.push(set("mode", format!("0{:o}", metadata.mode())));
        commands.push(set("uid", metadata.uid().to_string()));
        commands.push(set("gid", metadata.gid().to_string()));
        commands.push(set("mtime", format!("@{}", metadata.mtime())));
    }
    let extra = extra(metadata.mtime(), metadata.mtime_nsec());
    if extra != 0 {
        commands.push(set("mtime_extra", extra.to_string()));
    }
    commands
}

/// The second word of a time in an inode: nanoseconds above two bits that count the 2^32 seconds since 1901.
fn extra(seconds: i64, nanoseconds: i64) -> i64 {
    let epoch = ((seconds + (1 << 31)) >> 32) & 3;
    nanoseconds << 2 | epoch
}

/// An absolute path in quotes, which are doubled inside.
fn quoted(path: &Path) -> Vec<u8> {
    let mut name = b"\"/".to_vec();
    for byte in path.as_os_str().as_bytes() {
        if *byte == b'"' {
            name.push(b'"');
        }
        name.push(*byte);
    }
    name.push(b'"');
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_split_as_in_an_inode() {
        assert_eq!(extra(0, 0), 0);
        assert_eq!(extra(1_000_000_000, 5), 20);
        assert_eq!(extra(-1, 0), 0);
        assert_eq!(extra(4_000_000_000, 1), 5);
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quoted(Path::new("a \"b\"")), b"\"/a \"\"b\"\"\"");
    }
}
