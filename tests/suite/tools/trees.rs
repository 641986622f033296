//! Trees of trials: made, copied, compared.
use super::Family;
use super::random::Random;
use osbuild_stage_test::tree::{Object, Snapshot};
use osbuild_wasm_tests::Program;
use rustix::fs::{CWD, Timespec, Timestamps, XattrFlags, lsetxattr};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// No time of modification in a new tree is later.
const LATEST: i64 = 1_500_000_000;

/// Writes a file and makes its parents.
pub fn write(tree: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// What a tree needs to be the root of this machine's programs: names through which they are found, and a place for /proc.
pub fn stage_for_programs(tree: &Path) {
    fs::create_dir_all(tree.join("usr")).unwrap();
    fs::create_dir_all(tree.join("proc")).unwrap();
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), tree.join(name)).unwrap();
    }
}

/// Makes random directories, files, links and hard links with modes, owners and attributes; returns their paths.
pub fn fill(random: &mut Random, tree: &Path, names: &[&str], number: usize) -> Vec<String> {
    let mut directories = vec![String::new()];
    let mut paths = Vec::new();
    for _ in 0..number {
        let parent = random.value(&directories);
        let path = format!("{parent}/{}", random.of(names));
        let place = tree.join(&path[1..]);
        if fs::symlink_metadata(&place).is_ok() {
            continue;
        }
        match random.below(10) {
            0..=3 => {
                fs::create_dir(&place).unwrap();
                directories.push(path.clone());
            }
            4 | 5 => {
                let text = link_text(random, names, &paths);
                symlink(text, &place).unwrap();
            }
            6 if !paths.is_empty() => {
                let other = tree.join(&random.value(&paths)[1..]);
                if !fs::symlink_metadata(&other).unwrap().is_file() {
                    continue;
                }
                fs::hard_link(other, &place).unwrap();
            }
            _ => file(random, &place),
        }
        paths.push(path);
    }
    paths
        .iter()
        .for_each(|path| adorn(random, &tree.join(&path[1..])));
    paths
}

fn link_text(random: &mut Random, names: &[&str], paths: &[String]) -> String {
    match (random.below(4), paths.is_empty()) {
        (0, false) => random.value(paths),
        (1, _) => format!("../{}", random.of(names)),
        (2, _) => ".".into(),
        _ => random.of(names).into(),
    }
}

/// A file of some bytes, at times with holes.
fn file(random: &mut Random, place: &Path) {
    let file = fs::File::create(place).unwrap();
    let text = vec![b'a' + random.below(26) as u8; random.value(&[0, 1, 60, 5000])];
    let start = if random.chance(20) {
        random.below(40) as u64 * 4096
    } else {
        0
    };
    std::os::unix::fs::FileExt::write_all_at(&file, &text, start).unwrap();
    if random.chance(20) {
        file.set_len(start + 5000 + random.below(100_000) as u64)
            .unwrap();
    }
}

/// Modes that a tree has, and some that it should not have.
const MODES: [u32; 16] = [
    0o644, 0o755, 0o600, 0o700, 0o750, 0o640, 0o444, 0o555, 0o777, 0o000, 0o4755, 0o2755, 0o2770,
    0o6711, 0o1777, 0o1644,
];

fn adorn(random: &mut Random, place: &Path) {
    let metadata = fs::symlink_metadata(place).unwrap();
    let id = |random: &mut Random| random.value(&[0, 0, 0, 5, 100, 1000, 65534, 100_000]);
    lchown(place, Some(id(random)), Some(id(random))).unwrap();
    if !metadata.is_symlink() {
        let mode = random.value(&MODES);
        fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    }
    if random.chance(15) && (metadata.is_file() || metadata.is_dir()) {
        lsetxattr(place, "user.note", b"a\0b", XattrFlags::empty()).unwrap();
    }
    if random.chance(15) {
        let label = b"system_u:object_r:etc_t:s0\0";
        lsetxattr(place, "security.selinux", label, XattrFlags::empty()).unwrap();
    }
    let time = Timespec {
        tv_sec: LATEST - 1 - random.below(500_000_000) as i64,
        tv_nsec: random.below(1_000_000_000) as _,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, place, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// The same tree once more.
pub fn copy(tree: &Path, to: &Path) {
    Program::of("cp", "-a").arg(tree).arg(to).run().expect(0);
}

/// What is not the same in two trees, one line for each path.
pub(super) fn differences(theirs: &Path, ours: &Path, family: &Family) -> Vec<String> {
    let (theirs, ours) = (look(theirs, family), look(ours, family));
    let mut paths: Vec<_> = theirs.keys().chain(ours.keys()).collect();
    paths.sort();
    paths.dedup();
    let is_ignored = |path: &Path| {
        family
            .ignored
            .iter()
            .any(|ignored| path == Path::new(ignored))
    };
    let nothing = "nothing".to_owned();
    let mut lines = Vec::new();
    for path in paths {
        let of = |tree: &BTreeMap<PathBuf, String>| tree.get(path).unwrap_or(&nothing).clone();
        let (theirs, ours) = (of(&theirs), of(&ours));
        if theirs != ours && !is_ignored(path) {
            lines.push(format!(
                "{}\n  program   {theirs}\n  component {ours}",
                path.display()
            ));
        }
    }
    lines
}

fn look(tree: &Path, family: &Family) -> BTreeMap<PathBuf, String> {
    let snapshot = Snapshot::of(tree).unwrap();
    let mut first_names = BTreeMap::new();
    let mut looks = BTreeMap::new();
    for (path, object) in &snapshot.0 {
        let mut text = describe(object);
        if family.exact {
            let metadata =
                fs::symlink_metadata(tree.join(path.strip_prefix("/").unwrap())).unwrap();
            let first: &PathBuf = first_names.entry(metadata.ino()).or_insert(path);
            text += &format!(" as {} at {}", first.display(), time(&metadata));
        }
        looks.insert(path.clone(), (family.normal)(text));
    }
    looks
}

/// The time of modification; what a trial has changed has any.
fn time(metadata: &fs::Metadata) -> String {
    match metadata.mtime() {
        LATEST.. => "now".into(),
        seconds => format!("{seconds}.{}", metadata.mtime_nsec()),
    }
}

fn describe(object: &Object) -> String {
    use osbuild_stage_test::tree::Kind;
    let kind = match &object.kind {
        Kind::File(bytes) if bytes.len() < 1000 => {
            format!("file {:?}", String::from_utf8_lossy(bytes))
        }
        Kind::File(bytes) => {
            let sum = bytes.iter().enumerate().fold(0_u64, |sum, (at, byte)| {
                sum.wrapping_mul(31)
                    .wrapping_add(at as u64 ^ u64::from(*byte))
            });
            format!("file of {} bytes, sum {sum:x}", bytes.len())
        }
        other => format!("{other:?}"),
    };
    let (uid, gid) = object.owner;
    let xattrs: Vec<_> = object
        .xattrs
        .iter()
        .map(|(name, value)| format!("{}={:?}", name.display(), String::from_utf8_lossy(value)))
        .collect();
    format!("{kind} {:o} {uid}:{gid} {}", object.mode, xattrs.join(" "))
}
