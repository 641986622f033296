//! Does with files what it is told, through either door: `osbuild:stage/tree` or the standard library (`wasi:filesystem`).
#![forbid(unsafe_code)]
use osbuild_hostile::Attempts;
use osbuild_stage::{Arguments, CopyOptions, Error, FileType, OpenMode, Result, Timestamp, Tree};
use serde::Deserialize;
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
struct Options {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    door: Door,
    #[serde(rename = "do")]
    verb: String,
    path: String,
    #[serde(default)]
    to: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Door {
    Tree,
    Std,
}

/// What is written.
const CONTENT: &str = "HOSTILE";
/// CAP_NET_RAW, permitted and effective, as Linux 2.6.25 and later write it (`struct vfs_cap_data`, version 2).
const CAPABILITY: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];
/// The beginning of 1970.
const EPOCH: Timestamp = Timestamp {
    seconds: 0,
    nanoseconds: 0,
};
/// How long a race is kept up.
const RACE: Duration = Duration::from_millis(700);

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let mut attempts = Attempts::default();
        for step in &arguments.options.steps {
            let (name, result) = match step.door {
                Door::Tree => ("tree", by_tree(step)),
                Door::Std => ("std", by_std(step).map_err(Error::from)),
            };
            attempts.note(&format!("{name} {} {}", step.verb, step.path), result);
        }
        attempts.conclude()
    })
}

fn by_tree(step: &Step) -> Result<String> {
    let (files, path, to) = (Tree::contract(), step.path.as_str(), step.to.as_str());
    let node = |kind| files.create_node(path, kind, 0o666, 1, 5);
    let options = CopyOptions {
        remove_destination: false,
        follow: true,
    };
    match step.verb.as_str() {
        "read" => return files.read_to_string(path),
        "list" => {
            let names: Vec<_> = files.list(path)?.into_iter().map(|e| e.name).collect();
            return Ok(names.join(" "));
        }
        "deepen" => return deepen(&files.below(path), to.parse().unwrap_or(3)),
        "hoard" => return hoard(&files, path),
        "race" => return race(|| files.read_to_string(path), || files.write(path, CONTENT)),
        "write" => files.write(path, CONTENT),
        "append" => files.append(path, CONTENT),
        "replace" => files.replace(path, CONTENT, 0o644),
        "replace-set-id" => files.replace(path, CONTENT, 0o4755),
        "mkdir-set-id" => files.create_dir_with_mode(path, 0o2755),
        "chmod" => files.set_mode(path, 0o777),
        "chown" => files.set_owner(path, Some(4242), Some(4242)),
        "remove" => files.remove(path),
        "remove-all" => files.remove_all(path),
        "mkdir" => files.create_dir(path),
        "symlink" => files.symlink(to, path),
        "hard-link" => files.hard_link(path, to),
        "rename" => files.rename(path, to),
        "copy" => files.copy(path, to, options),
        "copy-links" => {
            let follow = false;
            files.copy(path, to, CopyOptions { follow, ..options })
        }
        "touch" => files.set_modified(path, EPOCH),
        "set-xattr" => match to.split_once('=') {
            // A name, and how many bytes its value has.
            Some((name, length)) => {
                let value = vec![b'v'; length.parse().unwrap_or_default()];
                files.set_xattr(path, name, &value)
            }
            None => files.set_xattr(path, "user.hostile", CONTENT.as_bytes()),
        },
        "set-capability" => files.set_xattr(path, "security.capability", &CAPABILITY),
        "stat" => return Ok(format!("mode {:o}", files.stat(path)?.mode)),
        "update" => files.open_as(path, OpenMode::Update).map(drop),
        "device" => node(FileType::CharacterDevice),
        "block-device" => node(FileType::BlockDevice),
        "fifo" => node(FileType::Fifo),
        other => Err(Error::new(format!("no such verb: {other}"))),
    }
    .map(|()| String::new())
}

fn by_std(step: &Step) -> std::io::Result<String> {
    let (path, to) = (step.path.as_str(), step.to.as_str());
    match step.verb.as_str() {
        "read" => return fs::read_to_string(path),
        "list" => {
            let names: Result<Vec<_>, _> = fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect();
            return names.map(|names| names.join(" "));
        }
        "race" => return race(|| fs::read_to_string(path), || fs::write(path, CONTENT)),
        "write" => fs::write(path, CONTENT),
        "remove" => fs::remove_file(path),
        "remove-all" => fs::remove_dir_all(path),
        "mkdir" => fs::create_dir(path),
        "append" => fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(CONTENT.as_bytes())),
        "read-link" => return Ok(fs::read_link(path)?.display().to_string()),
        "stat" => return Ok(format!("{} bytes", fs::metadata(path)?.len())),
        "touch" => fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH)),
        "hard-link" => fs::hard_link(path, to),
        "rename" => fs::rename(path, to),
        other => Err(std::io::Error::other(format!("no such verb: {other}"))),
    }
    .map(|()| String::new())
}

/// Makes directories nested far deeper than a path can say: so many long chains, each moved below the next.
fn deepen(tree: &Tree, chains: usize) -> Result<String> {
    const CHAIN: usize = 1000;
    let chain = |length: usize| ["d"; CHAIN][..length].join("/");
    tree.create_dir("whole")?;
    for _ in 0..chains {
        tree.create_dir("next")?;
        (1..=CHAIN).try_for_each(|length| tree.create_dir(&format!("next/{}", chain(length))))?;
        tree.rename("whole", &format!("next/{}/d", chain(CHAIN)))?;
        tree.rename("next", "whole")?;
    }
    let options = CopyOptions {
        remove_destination: false,
        follow: false,
    };
    match tree.copy("whole", "copy", options) {
        Ok(()) => Err(Error::new("it was copied")),
        Err(_) => Ok(format!("{} levels", CHAIN * chains)),
    }
}

/// Opens a file again and again and keeps it open.
fn hoard(tree: &Tree, path: &str) -> Result<String> {
    let mut open = Vec::new();
    while open.len() < 2_000_000 {
        open.push(tree.open(path)?);
    }
    Ok(format!("{} open files", open.len()))
}

/// Reads and writes for a while and returns each content that was seen.
fn race<E>(
    read: impl Fn() -> Result<String, E>,
    write: impl Fn() -> Result<(), E>,
) -> Result<String, E> {
    let started = Instant::now();
    let (mut seen, mut count) = (Vec::new(), 0_u64);
    while started.elapsed() < RACE {
        count += 1;
        if let Ok(content) = read()
            && !seen.contains(&content)
        {
            seen.push(content);
        }
        // Whether it is refused depends on the moment; where it went, the test knows.
        _ = write();
    }
    Ok(format!("{count} rounds, saw {seen:?}"))
}
