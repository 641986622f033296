//! The kernel's table of mounts, see proc(5) on `mountinfo`.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use osbuild_wasm_protocol::Failure;
use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::failure::About;

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub id: u64,
    pub parent: u64,
    pub point: PathBuf,
    /// Whether other namespaces see what is mounted below it.
    pub shared: bool,
}

/// All mounts of this thread's namespace.
pub fn read(contract: &str) -> Result<Vec<Line>, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/mountinfo")
        .about(contract, "read the table of mounts")?;
    Ok(text.lines().filter_map(parse).collect())
}

/// Number of the mount that an open file is on.
pub fn id_of(file: impl AsFd, contract: &str) -> Result<u64, Failure> {
    statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .map(|stat| stat.stx_mnt_id)
        .about(contract, "look at this directory")
}

/// Mount points of the mount `id` and of all that was mounted on top of it, those first that must go first.
pub fn points_of(table: &[Line], id: u64) -> Vec<PathBuf> {
    let Some(line) = table.iter().find(|line| line.id == id) else {
        return Vec::new();
    };
    let on_top = table
        .iter()
        .rev()
        .filter(|other| other.parent == id && other.id != id);
    let mut points: Vec<_> = on_top
        .flat_map(|other| points_of(table, other.id))
        .collect();
    points.push(line.point.clone());
    points
}

fn parse(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |index: usize| words.get(index)?.parse().ok();
    let mut optional = words.iter().skip(6).take_while(|word| **word != "-");
    Some(Line {
        id: number(0)?,
        parent: number(1)?,
        point: unescape(words.get(4)?),
        shared: optional.any(|word| word.starts_with("shared:")),
    })
}

/// Blanks and the like are octal numbers after a backslash.
fn unescape(word: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let line =
            parse(r"36 35 98:0 /a /mnt\0402 rw,noatime shared:5 - ext4 /dev/root rw").unwrap();
        assert_eq!((line.id, line.parent, line.shared), (36, 35, true));
        assert_eq!(line.point, PathBuf::from("/mnt 2"));
        assert!(
            !parse("36 35 98:0 / /mnt rw - ext4 /dev/shared: rw")
                .unwrap()
                .shared
        );
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn what_rests_on_a_mount_goes_before_it() {
        let line = |id, parent, point: &str| Line {
            id,
            parent,
            point: point.into(),
            shared: false,
        };
        let table = [
            line(1, 0, "/"),
            line(5, 1, "/a"),
            line(6, 5, "/a"),
            line(7, 6, "/a/b"),
            line(8, 1, "/c"),
        ];
        assert_eq!(
            points_of(&table, 5),
            ["/a/b", "/a", "/a"].map(PathBuf::from)
        );
        assert_eq!(points_of(&table, 6), ["/a/b", "/a"].map(PathBuf::from));
        assert_eq!(points_of(&table, 9), Vec::<PathBuf>::new());
    }
}
