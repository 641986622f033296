//! Tests on real directories. What needs root is skipped, visibly, for an ordinary user.

mod copy;
mod digest;
mod inherited;
mod packed;
mod remove;
mod resolve;

pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

/// Names in a directory, sorted.
pub(crate) fn list(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
