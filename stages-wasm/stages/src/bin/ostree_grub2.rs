//! Insert the ostree boot path into a grub configuration.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Result, Tree, bail, path};
use serde::Deserialize;
use std::process::ExitCode;

/// What the configuration has in place of the path.
const PLACEHOLDER: &str = "@OSTREE@";
const FILE_MODE: u32 = 0o644;

#[derive(Deserialize)]
struct Options {
    filename: String,
    source: Option<String>,
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let (tree, options) = (&arguments.tree, &arguments.options);
        let source = match options
            .source
            .as_deref()
            .filter(|source| !source.is_empty())
        {
            Some(source) => path::normal(&arguments.locate(source)?),
            None => arguments.input("tree")?.path.clone(),
        };
        let boot = format!("/{}", boot_path(&Tree::new(source))?);
        let text = tree.read_to_string(&options.filename)?;
        let text = text.replace(PLACEHOLDER, &boot);
        tree.replace(&options.filename, text, FILE_MODE)
    })
}

/// The only path `ostree/boot.?/OS/CHECKSUM/SERIAL`.
fn boot_path(source: &Tree) -> Result<String> {
    let mut found = below(source, "ostree", |name| {
        name.strip_prefix("boot.")
            .is_some_and(|rest| rest.chars().count() == 1)
    })?;
    for _ in ["OS", "CHECKSUM", "SERIAL"] {
        let mut deeper = Vec::new();
        for directory in found {
            deeper.extend(below(source, &directory, |name| !name.starts_with('.'))?);
        }
        found = deeper;
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        number => bail!("expected one path ostree/boot.?/*/*/*, found {number}"),
    }
}

fn below(source: &Tree, directory: &str, fits: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    if !source.is_dir(directory)? {
        return Ok(Vec::new());
    }
    let entries = source.list(directory)?.into_iter();
    Ok(entries
        .filter(|entry| fits(&entry.name))
        .map(|entry| format!("{directory}/{}", entry.name))
        .collect())
}
