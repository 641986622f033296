//! The user namespace in which an ordinary user's build is root: the user is 0 there, and the subordinate ids of /etc/subuid and
//! /etc/subgid (see subuid(5), user_namespaces(7)) are 1 and what follows.
use crate::chroot;
use crate::failure::{BuildError, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{User, getgid, getuid};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ids of an image: 0 to 65535. With fewer, some owner could not be given to a file.
const IDS_OF_IMAGE: u64 = 65536;

/// Where newuidmap and newgidmap are looked for when PATH does not have them.
const PROGRAM_DIRECTORIES: [&str; 2] = ["/usr/bin", "/bin"];

/// Which ids of this process's user namespace stand for which outside.
const OWN_MAPS: [&str; 2] = ["/proc/self/uid_map", "/proc/self/gid_map"];

/// Settings by which administrators forbid user namespaces, and the value that does.
const SWITCHES: [(&str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0"),
    ("user/max_user_namespaces", "0"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// What an ordinary user needs to build: the two programs that write the maps of ids, and enough ids for these.
#[derive(Debug)]
pub struct SubordinateIds {
    maps: [Map; 2],
}

/// One kind of ids: the program that maps them, the user's own id, and the subordinate ones.
#[derive(Debug)]
struct Map {
    program: PathBuf,
    own: u32,
    subordinate: Vec<Range<u64>>,
}

impl SubordinateIds {
    /// Those of the user who runs this process.
    ///
    /// # Errors
    /// Says what this machine lacks and how to get it.
    pub fn of_user() -> Result<Self> {
        let uid = getuid();
        let user = User::from_uid(uid).ok().flatten();
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        let map = |program, own, file| {
            Ok::<_, BuildError>(Map {
                program: find(program)?,
                own,
                subordinate: subordinate(Path::new(file), &name, uid.as_raw())?,
            })
        };
        Ok(Self {
            maps: [
                map("newuidmap", uid.as_raw(), "/etc/subuid")?,
                map("newgidmap", getgid().as_raw(), "/etc/subgid")?,
            ],
        })
    }

    /// Enters the namespace. The process must have one thread only.
    fn enter(&self) -> Result<()> {
        // The maps are written by programs outside of it, which therefore are started before and wait.
        let waiting: Vec<_> = self.maps.iter().map(Map::prepare).collect::<Result<_>>()?;
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| {
            let (refusal, reason) = (errno.desc(), reason(errno));
            missing(format!(
                "the kernel refuses a user namespace ({refusal}){reason}"
            ))
        })?;
        waiting
            .into_iter()
            .zip(&self.maps)
            .try_for_each(|(child, map)| map.write(child))
    }
}

/// Why the kernel makes no user namespace (unshare(2)), ready to be appended to a message.
fn reason(errno: Errno) -> String {
    match (switches(), errno) {
        (switches, _) if !switches.is_empty() => return switches,
        (_, Errno::EPERM) if chroot::is_evident() => {
            ": in a chroot it makes none for an ordinary user: build as root, or outside"
        }
        (_, Errno::EPERM) if !ids_are_mapped() => {
            ": this process is in a user namespace in which its own ids mean nothing: map them there, or build outside"
        }
        (_, Errno::EPERM) => {
            ": a container's list of system calls or a security module forbids it: build outside of the container, or as root"
        }
        (_, Errno::EINVAL) => {
            ": this process has more than one thread, or shares its file system with another: start it by itself"
        }
        (_, Errno::ENOSPC | Errno::EUSERS) => {
            ": there are as many as sysctl user.max_user_namespaces allows, or they are nested too deep"
        }
        (_, Errno::ENOSYS) => ": it has none (CONFIG_USER_NS): build as root",
        _ => "",
    }
    .to_owned()
}

/// Whether the ids of this process exist in its user namespace: others are shown as the overflow id.
fn ids_are_mapped() -> bool {
    let own = [getuid().as_raw(), getgid().as_raw()].map(u64::from);
    let is_mapped = |(id, map)| mapped(map).iter().any(|range| range.contains(&id));
    own.into_iter().zip(OWN_MAPS).all(is_mapped)
}

/// Every id below this number exists in the user namespace of this process, of users and of groups.
pub(crate) fn mapped_ids() -> u32 {
    let first_missing = |map| {
        let mut ranges = mapped(map);
        ranges.sort_by_key(|range| range.start);
        let next = |end, range: &Range<u64>| if range.start <= end { range.end } else { end };
        ranges.iter().fold(0, next)
    };
    let first_missing = OWN_MAPS.map(first_missing).into_iter().min();
    u32::try_from(first_missing.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// The ids that a map of a user namespace has, see user_namespaces(7).
fn mapped(map: &str) -> Vec<Range<u64>> {
    let text = std::fs::read_to_string(map).unwrap_or_default();
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let (first, count): (u64, u64) = (numbers.next()?, numbers.nth(1)?);
        Some(first..first.saturating_add(count))
    };
    text.lines().filter_map(range).collect()
}

/// Makes an ordinary user root of a user namespace of the subordinate ids; does nothing for root. The process must have one thread
/// only: the whole process changes or nothing.
///
/// # Errors
/// Says what this machine lacks and how to get it.
pub fn enter_user_namespace() -> Result<()> {
    match getuid().is_root() {
        true => Ok(()),
        false => SubordinateIds::of_user()?.enter(),
    }
}

/// Whether root of this process is root of the machine: outside of any user namespace, or in one that maps every id to itself.
pub(crate) fn is_root_of_machine() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    getuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

impl Map {
    /// Starts the program that writes the map of this process, as soon as it is told to.
    fn prepare(&self) -> Result<Child> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "read -r _ && exec \"$@\"", "sh"])
            .arg(&self.program)
            .arg(std::process::id().to_string());
        for (inside, outside, count) in self.lines() {
            command.args([inside, outside, count].map(|number| number.to_string()));
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().map_err(BuildError::io("/bin/sh"))
    }

    /// First id inside, first id outside, and how many.
    fn lines(&self) -> Vec<(u64, u64, u64)> {
        let mut lines = vec![(0, u64::from(self.own), 1)];
        let mut inside = 1;
        for range in &self.subordinate {
            let count = range.end - range.start;
            lines.push((inside, range.start, count));
            inside += count;
        }
        lines
    }

    fn write(&self, mut child: Child) -> Result<()> {
        let failed = |reason: &str| missing(format!("{}: {reason}", self.program.display()));
        let told = child.stdin.take().map(|mut input| input.write_all(b"\n"));
        let output = child
            .wait_with_output()
            .map_err(BuildError::io(&self.program))?;
        match (told, output.status.success()) {
            (Some(Ok(())), true) => Ok(()),
            _ => Err(failed(String::from_utf8_lossy(&output.stderr).trim())),
        }
    }
}

/// The refusal of everything that this user wants to build.
fn missing(what: impl std::fmt::Display) -> BuildError {
    BuildError::Privilege(format!(
        "an ordinary user builds in a user namespace of subordinate ids, and there is none: {what}; or build as root"
    ))
}

fn find(program: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let mut candidates = directories
        .chain(PROGRAM_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(program));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        missing(format!(
            "{program} is not installed (Debian and Ubuntu: package uidmap, Fedora: shadow-utils)"
        ))
    })
}

/// The ids that a file gives to a user: lines of name or number, first id and count, separated by colons.
fn subordinate(file: &Path, name: &str, uid: u32) -> Result<Vec<Range<u64>>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let ranges = ranges(&text, name, uid);
    let found: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let wanted = IDS_OF_IMAGE - 1;
    if found >= wanted {
        return Ok(ranges);
    }
    let first = 524_288;
    Err(missing(format!(
        "{} gives {found} ids to {name}, {wanted} are needed (root adds them: usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {name}, \
         with a range that no other user has)",
        file.display(),
        last = first + IDS_OF_IMAGE - 1,
    )))
}

fn ranges(text: &str, name: &str, uid: u32) -> Vec<Range<u64>> {
    let number = uid.to_string();
    let range = |line: &str| {
        let mut words = line.trim().splitn(3, ':');
        let of_user = words
            .next()
            .is_some_and(|owner| owner == name || owner == number);
        let first: u32 = words.next()?.parse().ok()?;
        let count: u32 = words.next()?.parse().ok()?;
        let end = first.checked_add(count)?;
        (of_user && count > 0).then_some(u64::from(first)..u64::from(end))
    };
    text.lines().filter_map(range).collect()
}

/// Which settings of the kernel forbid user namespaces here, ready to be appended to a message.
pub(crate) fn switches() -> String {
    let off = SWITCHES.iter().filter(|(name, off)| {
        std::fs::read_to_string(Path::new("/proc/sys").join(name))
            .is_ok_and(|value| value.trim() == *off)
    });
    let off: Vec<_> = off
        .map(|(name, off)| format!("{} is {off}", name.replace('/', ".")))
        .collect();
    match off.is_empty() {
        true => String::new(),
        false => format!(": sysctl {} (root can change it)", off.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_given_by_name_or_number() {
        let text = "other:100000:65536\nbuilder:165536:1000\n 1000:300000:64536 \nbuilder:x:1\nbuilder:5\nbuilder:7:0\nbuilder:4294967295:2\n";
        assert_eq!(
            ranges(text, "builder", 1000),
            [165_536..166_536, 300_000..364_536]
        );
        assert!(ranges(text, "build", 100).is_empty());
    }

    #[test]
    fn the_user_is_root_and_subordinate_ids_follow() {
        let map = Map {
            program: PathBuf::new(),
            own: 1000,
            subordinate: vec![165_536..166_536, 300_000..364_536],
        };
        assert_eq!(
            map.lines(),
            [(0, 1000, 1), (1, 165_536, 1000), (1001, 300_000, 64_536)]
        );
    }

    #[test]
    fn a_refusal_of_the_kernel_has_its_own_reason() {
        assert!(ids_are_mapped());
        if !switches().is_empty() {
            // Then that is the reason.
            return;
        }
        for (errno, expected) in [
            (Errno::EINVAL, "more than one thread"),
            (Errno::ENOSPC, "user.max_user_namespaces"),
            (Errno::ENOSYS, "CONFIG_USER_NS"),
            (Errno::EPERM, "forbids it"),
            (Errno::EIO, ""),
        ] {
            let reason = reason(errno);
            assert!(reason.contains(expected), "{errno}: {reason}");
            assert_eq!(reason.is_empty(), expected.is_empty(), "{errno}");
        }
    }

    #[test]
    fn too_few_ids_are_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "builder:100000:1000\n").unwrap();
        let message = subordinate(file.path(), "builder", 1)
            .unwrap_err()
            .to_string();
        assert!(message.contains("gives 1000 ids to builder"), "{message}");
        assert!(message.contains("usermod --add-subuids"), "{message}");
    }
}
