//! `org.osbuild.skopeo-index`: lists of container images, such as those of one image for several architectures.

use crate::checksum::{Checksum, FILES};
use crate::containers::{Image, fetch_each};
use crate::image::{self, document};
use crate::stored::has_file;
use crate::{FetchContext, Item};
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::json::{Value, parse};
use osbuild_wasm_manifest::model::Source;

/// Types of manifests that are lists (of Docker, and of the OCI image specification).
const LISTS: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
];

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    fetch_each(source, context, async |key, value| {
        let fetched = index(&source.module, key, value, context).await;
        fetched.map_err(|problem| format!("cannot fetch the manifest list {key}: {problem}"))
    })
}

async fn index(
    module: &str,
    key: &str,
    value: &Value,
    context: &FetchContext<'_>,
) -> Result<bool, String> {
    if has_file(context.store, &Checksum::parse(key)?)? {
        return Ok(true);
    }
    let (image, digest) = Image::read(value, Some(key), context)?;
    let scratch = context
        .store
        .scratch("container")
        .map_err(|error| with_causes(&error))?;
    let copy = scratch.path().join("index");
    image
        .copy(context, module, &["--multi-arch=index-only"], &copy)
        .await?;
    let file = copy.join("manifest.json");
    let manifest =
        document(&file).map_err(|problem| format!("skopeo has copied no manifest: {problem}"))?;
    let found = image::digest(&manifest);
    let manifest = parse(&manifest)
        .map_err(|error| format!("the manifest is not JSON: {}", with_causes(&error)))?;
    if !is_list(&manifest) {
        return Err(format!("{}@{digest} is not a manifest-list", image.name));
    }
    if found != key {
        return Err(format!(
            "Downloaded manifest-list {}@{digest} has a checksum of {found}, but expected {key}",
            image.name
        ));
    }
    context
        .store
        .put_source(FILES, key, &file)
        .map_err(|error| with_causes(&error))?;
    Ok(false)
}

/// Whether a manifest is a list. In the OCI format its type may be left out.
fn is_list(manifest: &Value) -> bool {
    match manifest.get("mediaType") {
        Some(kind) => kind.as_str().is_some_and(|kind| LISTS.contains(&kind)),
        None => manifest.get("manifests").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_list;
    use osbuild_wasm_manifest::json::parse;

    #[test]
    fn a_list_is_known_by_its_type_or_by_having_manifests() {
        let cases = [
            (
                r#"{"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}"#,
                true,
            ),
            (
                r#"{"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}"#,
                true,
            ),
            (r#"{"manifests": []}"#, true),
            (
                r#"{"mediaType": "application/vnd.oci.image.manifest.v1+json", "manifests": []}"#,
                false,
            ),
            (r#"{"mediaType": 1, "manifests": []}"#, false),
            (r#"{"layers": []}"#, false),
            ("[]", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                is_list(&parse(text.as_bytes()).unwrap()),
                expected,
                "{text}"
            );
        }
    }
}
