//! `org.osbuild.skopeo`: container images, by the ids they have in the end.

use crate::containers::{Image, fetch_each, image_id};
use crate::inline::chain;
use crate::{FetchContext, Item};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::model::Source;
use std::os::unix::fs::DirBuilderExt;

/// Each image is a directory `<id>/image` of this content type.
const CONTAINERS: &str = "org.osbuild.containers";

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    fetch_each(source, context, CONTAINERS, async |key, value| {
        let fetched = image(&source.module, key, value, context).await;
        fetched.map_err(|problem| format!("cannot fetch the image {key}: {problem}"))
    })
}

async fn image(
    module: &str,
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
) -> Result<(), String> {
    let (image, digest) = Image::read(value, None)?;
    let scratch = context
        .store
        .scratch("container")
        .map_err(|error| chain(&error))?;
    let directory = scratch.path().join("container");
    let made = std::fs::DirBuilder::new().mode(0o755).create(&directory);
    made.map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    let copy = directory.join("image");
    image.copy(context, module, &[], &copy).await?;
    let id = image_id(context, &format!("dir:{}", copy.display())).await;
    let id = id.map_err(|failed| format!("unable to inspect image: {}", failed.problem))?;
    if id != key {
        return Err(format!(
            "Downloaded image {}@{digest} has an id of {id}, but expected {key}",
            image.name
        ));
    }
    context
        .store
        .put_source(CONTAINERS, key, &directory)
        .map_err(|error| chain(&error))
}
