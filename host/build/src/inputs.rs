//! Inputs of a stage: trees and files, read only.
use crate::failure::{BuildError, Result};
use crate::run::Trees;
use crate::sandbox::{INPUTS, Sandbox};
use osbuild_wasm_capability::Access;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Input, Origin, Reference};
use osbuild_wasm_store::Store;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, linkat, openat2};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};

/// Content type of the store that curl and inline sources fill.
const FILES: &str = "org.osbuild.files";

/// Makes one input available to the stage.
pub(crate) fn map(
    input: &Input,
    store: &Store,
    trees: &Trees,
    sandbox: &mut Sandbox,
) -> Result<()> {
    let contract = format!("{INPUTS}/{}", checked_name(input)?);
    let (host, data) = match (input.module.as_str(), input.origin) {
        ("org.osbuild.tree", Origin::Pipeline) => (tree(input, trees, sandbox)?, None),
        ("org.osbuild.files", Origin::Source) => files_of_source(input, store, sandbox)?,
        ("org.osbuild.files", Origin::Pipeline) => files_of_pipeline(input, trees, sandbox)?,
        ("org.osbuild.noop", _) => (
            directory(input, sandbox)?,
            Some(json!({ "refs": references(input) })),
        ),
        (module, _) => {
            let reason = format!(
                "inputs of type {module} with this origin are not supported by this version"
            );
            return Err(BuildError::manifest(place(input), reason));
        }
    };
    sandbox.grant(&contract, &host, Access::Read);
    let mut reply = json!({ "path": contract });
    if let Some(data) = data {
        reply["data"] = data;
    }
    sandbox.inputs.insert(input.name.clone(), reply);
    Ok(())
}

fn place(input: &Input) -> String {
    format!("input {} ({})", input.name, input.module)
}

/// Input names become names of directories.
fn checked_name(input: &Input) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if input.name.starts_with('.') || input.name.is_empty() || !input.name.chars().all(fits) {
        return Err(BuildError::manifest(
            place(input),
            "a name has letters, digits, '_', '-' and '.' only",
        ));
    }
    Ok(&input.name)
}

/// An empty directory for what the input consists of.
fn directory(input: &Input, sandbox: &Sandbox) -> Result<PathBuf> {
    let path = sandbox.scratch.join("inputs").join(&input.name);
    std::fs::create_dir_all(&path).map_err(BuildError::io(&path))?;
    Ok(path)
}

fn references(input: &Input) -> Map<String, serde_json::Value> {
    let entry = |reference: &Reference| {
        (
            reference.id.clone().unwrap_or_else(|| "null".into()),
            serde_json::Value::from(&reference.options),
        )
    };
    input.references.iter().map(entry).collect()
}

/// The tree of the only pipeline referred to; an empty one when that pipeline has no stages.
fn tree(input: &Input, trees: &Trees, sandbox: &Sandbox) -> Result<PathBuf> {
    match input.references.as_slice() {
        [Reference { id: None, .. }] => directory(input, sandbox),
        [Reference { id: Some(id), .. }] => finished(input, trees, id),
        _ => Err(BuildError::manifest(
            place(input),
            "takes exactly one reference",
        )),
    }
}

fn finished(input: &Input, trees: &Trees, id: &str) -> Result<PathBuf> {
    trees
        .path(id)
        .ok_or_else(|| BuildError::manifest(place(input), format!("pipeline {id} is not built")))
}

fn metadata(options: &Value) -> serde_json::Value {
    options
        .get("metadata")
        .map_or_else(|| json!({}), serde_json::Value::from)
}

fn files_of_source(
    input: &Input,
    store: &Store,
    sandbox: &Sandbox,
) -> Result<(PathBuf, Option<serde_json::Value>)> {
    let directory = directory(input, sandbox)?;
    let sources = store.sources(FILES)?;
    let mut files = Map::new();
    for reference in &input.references {
        let key = reference.id.as_deref().unwrap_or_default();
        if key.is_empty() || key.starts_with('.') || key.contains('/') {
            return Err(BuildError::manifest(
                place(input),
                format!("{key:?} is not a checksum"),
            ));
        }
        link(&sources.join(key), &directory.join(key)).map_err(|error| {
            BuildError::manifest(
                place(input),
                format!("{key} was not fetched: {error}; is it an item of a source?"),
            )
        })?;
        files.insert(key.to_owned(), metadata(&reference.options));
    }
    Ok((directory, Some(json!({ "files": files }))))
}

fn files_of_pipeline(
    input: &Input,
    trees: &Trees,
    sandbox: &Sandbox,
) -> Result<(PathBuf, Option<serde_json::Value>)> {
    let directory = directory(input, sandbox)?;
    let mut files = Map::new();
    for reference in &input.references {
        let tree = finished(input, trees, reference.id.as_deref().unwrap_or("null"))?;
        let file = reference
            .options
            .get("file")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim_start_matches('/');
        if file.is_empty() || file.split('/').any(|part| part == "..") {
            return Err(BuildError::manifest(
                place(input),
                "option `file` must name a file of the pipeline's tree",
            ));
        }
        let target = directory.join(file);
        let parent = target.parent().unwrap_or(&directory);
        std::fs::create_dir_all(parent).map_err(BuildError::io(parent))?;
        link_from_tree(&tree, file, &target).map_err(|error| {
            BuildError::manifest(
                place(input),
                format!("{file} of the pipeline's tree: {error}"),
            )
        })?;
        files.insert(file.to_owned(), metadata(&reference.options));
    }
    Ok((directory, Some(json!({ "files": files }))))
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    Ok(linkat(CWD, from, CWD, to, AtFlags::empty())?)
}

/// Links a file of a finished tree; links on the way are resolved inside the tree.
fn link_from_tree(tree: &Path, file: &str, to: &Path) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let handle = openat2(
        &root,
        file,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        inside,
    )?;
    let named = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(linkat(CWD, named, CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}
