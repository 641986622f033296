//! `org.osbuild.files`: single files.
use super::{Mapped, checked_key, finished, link, link_from_tree, wrong};
use crate::failure::{BuildError, Result};
use crate::trees::Trees;
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Input;
use osbuild_wasm_source::verify_file;
use osbuild_wasm_store::Store;
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;

/// Content type of the store that curl and inline sources fill.
const FILES: &str = "org.osbuild.files";

fn metadata(options: &Value) -> Json {
    let metadata = options.get("metadata");
    metadata.map_or_else(|| json!({}), Json::from)
}

fn reply(directory: PathBuf, files: Map<String, Json>) -> Mapped {
    Mapped::directory(directory, Some(json!({ "files": files })))
}

/// Files of sources by their checksums.
pub(super) fn of_source(input: &Input, store: &Store, directory: PathBuf) -> Result<Mapped> {
    let sources = store.sources(FILES)?;
    let mut files = Map::new();
    for reference in &input.references {
        let key = checked_key(input, reference)?;
        let (from, to) = (sources.join(key), directory.join(key));
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&from, flags, Mode::empty());
        let linked = opened.map_err(Into::into).and_then(|file| link(&file, &to));
        linked.map_err(|error| {
            wrong(
                input,
                format!("{key} was not fetched: {error}; is it an item of a source?"),
            )
        })?;
        verify_file(store, key, &to).map_err(|problem| wrong(input, problem))?;
        files.insert(key.to_owned(), metadata(&reference.options));
    }
    Ok(reply(directory, files))
}

/// Files of pipelines' trees by their paths.
pub(super) fn of_pipeline(
    input: &Input,
    trees: &Trees,
    directory: PathBuf,
    links: Links,
) -> Result<Mapped> {
    let mut files = Map::new();
    for reference in &input.references {
        let tree = finished(input, trees, reference)?;
        let file = reference.options.get("file").and_then(Value::as_str);
        let file = file.unwrap_or_default().trim_start_matches('/');
        if file.is_empty() || file.split('/').any(|part| part == "..") {
            let reason = "option `file` must name a file of the pipeline's tree";
            return Err(wrong(input, reason));
        }
        let target = directory.join(file);
        let parent = target.parent().unwrap_or(&directory);
        std::fs::create_dir_all(parent).map_err(BuildError::io(parent))?;
        link_from_tree(&tree, file, &target, links)
            .map_err(|error| wrong(input, format!("{file} of the pipeline's tree: {error}")))?;
        files.insert(file.to_owned(), metadata(&reference.options));
    }
    Ok(reply(directory, files))
}
