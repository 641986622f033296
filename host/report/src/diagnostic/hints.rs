//! Advice for failures whose log says plainly what is missing.

use osbuild_wasm_packages::package_of;

const TOO_LARGE: (&str, &str) = (
    "File too large",
    "raise the limit of the size of files (`ulimit -f`), or use a store on a file system that has files as large as this",
);

const TOO_MANY_FILES: (&str, &str) = (
    "Too many open files",
    "raise the limit of open files (`ulimit -n`)",
);

const TOO_MANY_PROCESSES: (&str, &str) = (
    "Resource temporarily unavailable",
    "raise the limit of processes and threads (`ulimit -u`), or end some",
);

const TOO_LITTLE_MEMORY: (&str, &str) = (
    "Cannot allocate memory",
    "raise the limits of memory and address space (`ulimit -d`, `ulimit -v`), or build one pipeline at a time (`--jobs 1`)",
);

/// What an error says that comes of the limits which the caller has set -> what to do about it.
const LIMIT_ADVICE: [(&str, &str); 4] = [
    TOO_MANY_FILES,
    TOO_MANY_PROCESSES,
    TOO_LITTLE_MEMORY,
    TOO_LARGE,
];

/// What a log says -> what to do about it, for stages.
const STAGE_ADVICE: [(&str, &str); 6] = [
    (
        "No space left on device",
        "free space on the file system of the store, or make the image or partition that is being filled larger",
    ),
    (
        "Read-only file system",
        "the stage wrote to a place it may only read: inputs, and the tree of an assembler, cannot be changed",
    ),
    TOO_MANY_FILES,
    TOO_MANY_PROCESSES,
    TOO_LITTLE_MEMORY,
    TOO_LARGE,
];

/// The same for sources.
const SOURCE_ADVICE: [(&str, &str); 9] = [
    (
        "Could not resolve host",
        "the name of the server is unknown here: check the URL, the network and the name server",
    ),
    (
        "dns error",
        "the name of the server is unknown here: check the URL, the network and the name server",
    ),
    (
        "its content is another one",
        "the file of this machine is not what the manifest was made for: bring it back, or correct its checksum in the manifest",
    ),
    (
        "Checksum mismatch for",
        "the data of the item is not what its checksum says: make the manifest anew",
    ),
    (
        "checksum mismatch: its content has",
        "what the server sent is not what the manifest was made for: make the manifest anew, or use a server that still has that content",
    ),
    (
        "404",
        "the server no longer has it: make the manifest anew from the current repositories, or use a snapshot of the old ones",
    ),
    (
        "ertificate",
        "the certificate of the server is not trusted here: install its authority, or name it in the source's secrets",
    ),
    (
        "No space left on device",
        "free space on the file system of the store",
    ),
    TOO_LARGE,
];

/// Advice for a stage that said `told`; `build` is the pipeline that is its build root, none for the machine itself.
pub(super) fn for_stage(told: &str, build: Option<&str>) -> Vec<String> {
    let program = told.lines().rev().find_map(missing_program);
    let install = program.map(|program| {
        let package = package_of(program).map(|package| package.to_string());
        let package = package.unwrap_or_else(|| "the package that brings it".to_owned());
        match build {
            Some(build) => {
                format!("{program} is missing in the build root: add {package} to pipeline {build}")
            }
            None => format!(
                "{program} is missing on this machine, which is the build root: install {package}"
            ),
        }
    });
    install
        .into_iter()
        .chain(advice(told, &STAGE_ADVICE))
        .collect()
}

/// Advice for an error that said `told`.
pub(super) fn for_error(told: &str) -> Vec<String> {
    advice(told, &LIMIT_ADVICE).collect()
}

/// Advice for a source that said `told`.
pub(super) fn for_source(told: &str) -> Vec<String> {
    advice(told, &SOURCE_ADVICE).collect()
}

fn advice(told: &str, table: &'static [(&str, &str)]) -> impl Iterator<Item = String> {
    let told = told.to_owned();
    let fits = move |(sign, _): &&(&str, &str)| told.contains(sign);
    table
        .iter()
        .filter(fits)
        .map(|(_, advice)| (*advice).to_owned())
}

/// The program that a line says is not there, as shells (`sh: 1: mkfs.xfs: not found`, `mkfs.xfs: command not found`), Python
/// (`No such file or directory: 'mkfs.xfs'`) and our own helper (`mkfs.xfs: the build root has no such program: ...`) say it.
fn missing_program(line: &str) -> Option<&str> {
    let line = line.trim();
    let shell = || {
        let said = line
            .strip_suffix(": command not found")
            .or_else(|| line.strip_suffix(": not found"))?;
        Some(said.rsplit_once(": ").map_or(said, |(_, name)| name))
    };
    let python = || {
        line.split_once("No such file or directory: '")?
            .1
            .strip_suffix('\'')
    };
    let own = || {
        let (said, _) = line.split_once(": the build root has no such program")?;
        Some(said.rsplit_once(' ').map_or(said, |(_, name)| name))
    };
    let name = shell().or_else(python).or_else(own)?;
    let name = name.rsplit_once("bin/").map_or(name, |(_, name)| name);
    let is_program =
        |character: char| character.is_ascii_alphanumeric() || "._+-".contains(character);
    (!name.is_empty() && name.chars().all(is_program)).then_some(name)
}
