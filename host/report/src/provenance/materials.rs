//! The items of a manifest's sources as in-toto resource descriptors.

use super::Descriptor;
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_manifest::model::{Manifest, Source};

/// Every item of every source, in the order of the manifest: its digest, and where it is fetched from as far as the manifest says.
///
/// What stands before an `@` in a URL is a name and a password, and is left out.
pub fn materials(manifest: &Manifest) -> Vec<Descriptor> {
    let of_source = |source: &Source| {
        let items = source.items.as_object().into_iter().flatten();
        let items = items.map(|(key, item)| material(source, &key.to_string_lossy(), item));
        items.collect::<Vec<_>>()
    };
    manifest.sources.iter().flat_map(of_source).collect()
}

fn material(source: &Source, key: &str, item: &Value) -> Descriptor {
    // The keys of some sources are digests without saying of which algorithm.
    let (algorithm, digest) = key.split_once(':').unwrap_or(("sha256", key));
    let mut material = Descriptor {
        uri: uri(source, item),
        digest: [(algorithm.to_owned(), digest.to_owned())].into(),
        ..Descriptor::default()
    }
    .annotated("source", &source.module);
    if let Some(manifest) = text(item, &["image", "digest"]) {
        material = material.annotated("imageManifest", manifest);
    }
    material
}

/// Where an item is.
fn uri(source: &Source, item: &Value) -> Option<String> {
    match source.module.as_str() {
        "org.osbuild.curl" => item
            .as_str()
            .or_else(|| text(item, &["url"]))
            .and_then(without_credentials),
        "org.osbuild.librepo" => librepo(source, item),
        "org.osbuild.ostree" => text(item, &["remote", "url"]).and_then(without_credentials),
        "org.osbuild.skopeo" | "org.osbuild.skopeo-index" => {
            let name = text(item, &["image", "name"])?;
            let digest = text(item, &["image", "digest"])?;
            Some(format!("docker://{name}@{digest}"))
        }
        _ => None,
    }
}

/// The file below the base URL; which of the servers of a list is used is not said by the manifest.
fn librepo(source: &Source, item: &Value) -> Option<String> {
    let (path, mirror) = (text(item, &["path"])?, text(item, &["mirror"])?);
    let mirror = source.options.get("mirrors")?.get(mirror)?;
    let base = text(mirror, &["url"]).filter(|_| text(mirror, &["type"]) == Some("baseurl"))?;
    let base = without_credentials(base)?;
    Some(format!("{}/{path}", base.trim_end_matches('/')))
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(value, |value, key| value.get(key))?
        .as_str()
}

/// A URL without name and password; one that cannot be read is not fetched.
fn without_credentials(url: &str) -> Option<String> {
    Some(Location::parse(url).ok()?.without_credentials())
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn names_and_passwords_stay_out_of_statements() {
        for (url, shown) in [
            ("https://me:pw@host:8/a@b", Some("https://host:8/a@b")),
            ("https://a@b@host/", Some("https://host/")),
            ("http://host/x?y=@z", Some("http://host/x?y=@z")),
            ("file:///a@b", Some("file:///a@b")),
            ("no url", None),
        ] {
            assert_eq!(without_credentials(url).as_deref(), shown);
        }
    }
}
