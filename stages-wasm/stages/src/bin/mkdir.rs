//! Create directories in the tree or on mounts.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "standard output of a component is its log"
)]
use osbuild_stage::{Arguments, Error, Number, Result, Tree, json, path};
use serde::Deserialize;
use std::process::ExitCode;

/// The umask of a build.
const UMASK: u32 = 0o022;

#[derive(Deserialize)]
struct Options {
    paths: Vec<Directory>,
}

#[derive(Deserialize)]
struct Directory {
    path: String,
    mode: Option<Number>,
    #[serde(default, deserialize_with = "json::truth")]
    parents: bool,
    #[serde(default, deserialize_with = "json::truth")]
    exist_ok: bool,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        arguments.options.paths.iter().try_for_each(|directory| {
            let path = arguments.locate(&location(&directory.path))?;
            make(&path, directory)
        })
    })
}

/// Relative paths are those of the tree.
fn location(path: &str) -> String {
    if path.contains("://") || path.starts_with('/') {
        return path.into();
    }
    println!("warning: the path `{path}` is relative, write `tree:///{path}`");
    format!("tree:///{path}")
}

fn make(path: &str, directory: &Directory) -> Result<()> {
    let files = Tree::contract();
    if files.exists_itself(path)? {
        let acceptable = directory.exist_ok && (!directory.parents || files.is_dir(path)?);
        return if acceptable {
            Ok(())
        } else {
            Err(Error::new(format!("{} exists already", directory.path)))
        };
    }
    if directory.parents {
        files.create_dir_all(path::parent(path))?;
        // Of a path that ends in `/.` the whole directory is a parent, so that `mode` has nothing to apply to.
        if path.ends_with("/.") {
            return Ok(());
        }
    }
    files.create_dir_with_mode(path, mode(directory)?)
}

/// What remains of the wanted mode, all permissions by default. A directory gets no set-id bits this way.
fn mode(directory: &Directory) -> Result<u32> {
    let Some(mode) = &directory.mode else {
        return Ok(0o777 & !UMASK);
    };
    let bits: u32 = mode
        .integer()
        .ok_or_else(|| Error::new(format!("{}: {mode} is no mode", directory.path)))?;
    Ok(bits & 0o1777 & !UMASK)
}
