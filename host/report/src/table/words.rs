//! Capabilities in words.
use crate::text::count;
use osbuild_wasm_capability::plan::Bounds;
use osbuild_wasm_capability::{Interface, Profile, Right, Standing, Verb, standing};

/// Hex digits of a digest that a table shows.
const DIGITS: usize = 12;

/// Where a component comes from, which one it is, and the contract it was built for.
pub(super) fn component(profile: &Profile) -> [String; 3] {
    let contract = profile.contract.as_ref();
    [
        profile.origin.clone(),
        format!(
            "sha256:{}",
            profile.digest.get(..DIGITS).unwrap_or_default()
        ),
        contract
            .map(|version| format!("contract {version}"))
            .unwrap_or_default(),
    ]
}

/// `NAME: a, b`, or nothing when there is nothing.
pub(super) fn list<T: ToString>(name: &str, items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        return String::new();
    }
    format!("{name}: {}", items.join(", "))
}

/// The interfaces of the contract that it imports; the shared types are no capability.
pub(super) fn interfaces(profile: &Profile) -> String {
    let names = profile
        .interfaces
        .keys()
        .filter(|name| *name != Interface::Types.name());
    list("interfaces", names)
}

/// What is asked for of WASI and refused, by package: single interfaces say no more.
pub(super) fn refused_wasi(profile: &Profile) -> String {
    let packages = |wanted: Standing| {
        let names = profile
            .wasi
            .keys()
            .filter(move |name| standing(name) == wanted);
        let mut packages: Vec<_> = names
            .map(|name| name.split('/').next().unwrap_or(name))
            .collect();
        packages.dedup();
        packages
    };
    let missing = list("not there", packages(Standing::Missing));
    [
        list("asked and refused", packages(Standing::Refused)),
        missing,
    ]
    .into_iter()
    .filter(|text| !text.is_empty())
    .collect::<Vec<_>>()
    .join("; ")
}

/// One line for each right.
pub(super) fn rights(rights: Option<&[Right]>) -> Vec<String> {
    match rights {
        None => vec!["every verb on every path it is given: its document has no `rights`".into()],
        Some(rights) if rights.iter().all(|right| right.paths.is_empty()) => vec!["no path".into()],
        Some(rights) => rights
            .iter()
            .filter(|right| !right.paths.is_empty())
            .map(right)
            .collect(),
    }
}

fn right(right: &Right) -> String {
    let verbs: Vec<_> = right.verbs.iter().map(|verb| verb.name()).collect();
    let verbs = match verbs.len() {
        all if all == Verb::ALL.len() => "every verb".to_owned(),
        _ => verbs.join(" "),
    };
    format!("{verbs}: {}", right.paths.join(" "))
}

/// Bounds of a run.
pub(super) fn bounds(bounds: &Bounds) -> String {
    let time = time(bounds);
    format!(
        "{time}, {} of memory, {} and {} written, {} of log",
        size(bounds.memory),
        size(bounds.written_bytes),
        counted(bounds.created_inodes, "inode"),
        size(bounds.log_bytes)
    )
}

/// Which of the bounds do not hold for programs; empty: all of them do.
pub(super) fn unbounded_programs(bounds: &Bounds) -> String {
    let programs = &bounds.programs;
    let kinds = [
        (programs.memory, "memory"),
        (programs.written_bytes, "bytes written"),
        (programs.created_inodes, "inodes written"),
    ];
    let unbounded = kinds.iter().filter(|(limit, _)| limit.is_none());
    let unbounded: Vec<_> = unbounded.map(|(_, kind)| *kind).collect();
    match unbounded.as_slice() {
        [] => String::new(),
        kinds => format!("programs: no limit of {}", kinds.join(", ")),
    }
}

/// The limits of a source: it has no memory of its own and no tree.
pub(super) fn bounds_of_source(bounds: &Bounds) -> String {
    format!("{}, {} fetched", time(bounds), size(bounds.written_bytes))
}

fn time(bounds: &Bounds) -> String {
    bounds
        .seconds
        .map_or("no time limit".to_owned(), |seconds| format!("{seconds} s"))
}

/// Bytes in the largest unit that leaves a whole number.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = |(_, shift): &&(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match UNITS.iter().find(whole) {
        Some((unit, shift)) => format!("{} {unit}", bytes >> shift),
        None => counted(bytes, "byte"),
    }
}

fn counted(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}
