//! `org.osbuild.containers`: container images from sources and from pipelines.
use super::{Mapped, checked_key, finished, link_from_tree, wrong};
use crate::failure::{BuildError, Result};
use crate::trees::Trees;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::{Input, Reference};
use osbuild_wasm_store::Store;
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};

/// Content type of the store that the skopeo source fills: `KEY/image` is the image in the format `dir`.
const CONTAINERS: &str = "org.osbuild.containers";

/// The name that the stage gives an image.
fn name<'a>(input: &Input, reference: &'a Reference) -> Result<&'a str> {
    let name = reference.options.get("name").and_then(Value::as_str);
    name.ok_or_else(|| wrong(input, "each reference needs the option `name`"))
}

/// Images of sources by their ids; each is a granted directory of the store, whose place in `directory` is kept free.
pub(super) fn of_source(input: &Input, store: &Store, directory: PathBuf) -> Result<Mapped> {
    let sources = store.sources(CONTAINERS)?;
    let mut archives = Map::new();
    let mut directories = vec![(String::new(), directory.clone())];
    for reference in &input.references {
        let key = checked_key(input, reference)?;
        let image = sources.join(key).join("image");
        if !image.is_dir() {
            let reason = format!("the image {key} was not fetched; is it an item of a source?");
            return Err(wrong(input, reason));
        }
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
        link_from_tree(&tree, &file, &directory.join(&file))
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
    use crate::inputs::tests::input;
    use osbuild_wasm_manifest::model::Origin;

    #[test]
    fn each_image_is_a_directory_of_the_store_at_its_id() {
        let top = tempfile::tempdir().unwrap();
        let store = Store::open(top.path()).unwrap();
        let image = store.sources(CONTAINERS).unwrap().join("sha256:00/image");
        std::fs::create_dir_all(&image).unwrap();
        let directory = top.path().join("input");
        std::fs::create_dir(&directory).unwrap();
        let of = |references: &[(&str, Json)]| {
            let input = input("org.osbuild.containers", Origin::Source, references);
            of_source(&input, &store, directory.clone())
        };
        let mapped = of(&[("sha256:00", json!({"name": "localhost/x"}))]).unwrap();
        let expected = [
            (String::new(), directory.clone()),
            ("/sha256:00".into(), image),
        ];
        assert_eq!(mapped.directories, expected);
        let archives = json!({"archives": {"sha256:00": {"format": "dir", "name": "localhost/x"}}});
        assert_eq!(mapped.data, Some(archives));
        assert!(directory.join("sha256:00").is_dir());
        assert!(of(&[("sha256:00", json!({}))]).is_err());
        assert!(of(&[("sha256:11", json!({"name": "x"}))]).is_err());
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
