//! `org.osbuild.containers`: container images from sources and from pipelines.
use super::{Mapped, Origins, checked_key, finished, link_from_tree, wrong};
use crate::failure::{BuildError, Result};
use crate::trees::Trees;
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Input, Reference, Source};
use osbuild_wasm_source::stored_image;
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};

/// The source of images from registries and storages.
const SKOPEO: &str = "org.osbuild.skopeo";

/// The name that the stage gives an image.
fn name<'a>(input: &Input, reference: &'a Reference) -> Result<&'a str> {
    let name = reference.options.get("name").and_then(Value::as_str);
    name.ok_or_else(|| wrong(input, "each reference needs the option `name`"))
}

/// Images of sources by their ids; each is a granted directory of the store, whose place in `directory` is kept free.
pub(super) fn of_source(input: &Input, origins: Origins<'_>, directory: PathBuf) -> Result<Mapped> {
    let mut archives = Map::new();
    let mut directories = vec![(String::new(), directory.clone())];
    for reference in &input.references {
        let key = checked_key(input, reference)?;
        let missing = || {
            let reason = format!("the image {key} was not fetched; is it an item of a source?");
            wrong(input, reason)
        };
        let item = item(origins.sources, key).ok_or_else(missing)?;
        let image = stored_image(origins.store, key, item);
        let image = image.map_err(|problem| wrong(input, problem))?;
        let place = directory.join(key);
        std::fs::create_dir_all(&place).map_err(BuildError::io(&place))?;
        directories.push((format!("/{key}"), image));
        archives.insert(key.to_owned(), archive("dir", name(input, reference)?));
    }
    Ok(Mapped {
        directories,
        path: "",
        data: Some(json!({ "archives": archives })),
    })
}

/// What the manifest says about an image.
fn item<'a>(sources: &'a [Source], key: &str) -> Option<&'a Value> {
    let mut sources = sources.iter().filter(|source| source.module == SKOPEO);
    sources.find_map(|source| source.items.as_object()?.get(key))
}

/// The image that each pipeline made: the first file of its tree.
pub(super) fn of_pipeline(input: &Input, trees: &Trees, directory: PathBuf) -> Result<Mapped> {
    let mut archives = Map::new();
    for reference in &input.references {
        let tree = finished(input, trees, reference)?;
        let Some(file) = first_file(&tree)? else {
            return Err(wrong(
                input,
                "the tree of the pipeline has no file that could be an image",
            ));
        };
        if archives.contains_key(&file) {
            return Err(wrong(input, format!("two pipelines have an image {file}")));
        }
        link_from_tree(&tree, &file, &directory.join(&file), Links::Refuse)
            .map_err(|error| wrong(input, format!("{file} of the pipeline's tree: {error}")))?;
        let image = archive("oci-archive", name(input, reference)?);
        archives.insert(file, image);
    }
    let data = json!({ "archives": archives });
    Ok(Mapped::directory(directory, Some(data)))
}

fn archive(format: &str, name: &str) -> Json {
    json!({ "format": format, "name": name })
}

/// The regular file in a tree's root whose name comes first.
fn first_file(tree: &Path) -> Result<Option<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(tree).map_err(BuildError::io(tree))? {
        let entry = entry.map_err(BuildError::io(tree))?;
        let kind = entry.file_type().map_err(BuildError::io(tree))?;
        if kind.is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_skopeo_source_has_images() {
        let source = |module: &str| Source {
            module: module.into(),
            items: json!({"sha256:00": {"image": {}}}).into(),
            options: json!({}).into(),
            id: String::new(),
        };
        assert!(item(&[source("org.osbuild.curl")], "sha256:00").is_none());
        let sources = [source("org.osbuild.curl"), source(SKOPEO)];
        assert!(item(&sources, "sha256:00").is_some());
        assert!(item(&sources, "sha256:11").is_none());
    }

    #[test]
    fn the_image_of_a_pipeline_is_its_first_file() {
        let top = tempfile::tempdir().unwrap();
        assert_eq!(first_file(top.path()).unwrap(), None);
        std::fs::create_dir(top.path().join("a")).unwrap();
        for name in ["c.tar", "b.tar"] {
            std::fs::write(top.path().join(name), "").unwrap();
        }
        assert_eq!(first_file(top.path()).unwrap().as_deref(), Some("b.tar"));
    }
}
