//! `org.osbuild.containers-storage`: container images that the host has. They stay where they are.

use crate::containers::{SKOPEO, config, each};
use crate::image::{digest, document};
use crate::program::Failed;
use crate::{FetchContext, Item};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::json::{Value, parse};
use osbuild_wasm_manifest::model::Source;
use osbuild_wasm_manifest::reference::is_digest;
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::Path;

/// Where the host's container tools look for their settings, the first that exists.
const SETTINGS: [&str; 2] = [
    "etc/containers/storage.conf",
    "usr/share/containers/storage.conf",
];

/// What skopeo says about an image that is not there. The last: an id that it does not know it takes for a name.
const MISSING: [&str; 5] = [
    "does not resolve to an image ID",
    "identifier is not an image",
    "image not known",
    "no such image",
    "cannot specify 64-byte hexadecimal strings",
];

/// The part of `storage.conf` (containers-storage.conf(5)) that says where images are.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Storage {
    driver: String,
    graphroot: String,
    runroot: String,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            driver: "overlay".to_owned(),
            graphroot: "/var/lib/containers/storage".to_owned(),
            runroot: "/run/containers/storage".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    storage: Storage,
}

pub(crate) fn fetch(source: &Source, context: &FetchContext<'_>) -> Vec<Item> {
    let storage = Storage::of_host(context.host_root);
    each(source, context, 1, async |key, _| {
        let storage = storage
            .as_ref()
            .map_err(|problem| format!("cannot look for the image {key}: {problem}"))?;
        check(key, storage, context).await.map(|()| true)
    })
}

async fn check(key: &str, storage: &Storage, context: &FetchContext<'_>) -> Result<(), String> {
    if !is_digest(key) {
        return Err(format!(
            "{key:?} is not an id: write sha256:, then 64 lower-case hexadecimal digits"
        ));
    }
    let digits = key.trim_start_matches("sha256:");
    match config(context, &storage.location(digits)).await {
        Ok(config) if digest(&config) == key => storage
            .check_layers(digits, &config)
            .map_err(|problem| format!("image {key} of the local container storage: {problem}")),
        Ok(config) => Err(format!(
            "Local container image id of {}, but expected {key}",
            digest(&config)
        )),
        Err(failed) if MISSING.iter().any(|sign| failed.problem.contains(sign)) => Err(format!(
            "image {key} does not exist in local container storage"
        )),
        Err(failed) => Err(format!("unknown skopeo error: {}", failed.problem)),
    }
}

/// An image of the host's container storage by its name: its id, and the digest of the manifest that the storage keeps.
pub(crate) async fn look_up(
    name: &str,
    context: &FetchContext<'_>,
) -> Result<(String, String), String> {
    let storage = Storage::of_host(context.host_root)?;
    let location = storage.location(name);
    let failed = |failed: Failed| match MISSING.iter().any(|sign| failed.problem.contains(sign)) {
        true => format!(
            "it does not exist in the container storage {}: see `podman images`, or pull it",
            storage.graphroot
        ),
        false => format!("skopeo cannot read it: {}", failed.problem),
    };
    let config = config(context, &location).await.map_err(failed)?;
    let arguments = ["inspect", "--raw", &location];
    let manifest = SKOPEO.run(context, &arguments, b"").await.map_err(failed)?;
    Ok((digest(&config), digest(&manifest)))
}

/// An image of that storage by its id, as skopeo takes it.
pub(crate) fn location(id: &str, context: &FetchContext<'_>) -> Result<String, String> {
    let storage = Storage::of_host(context.host_root)?;
    Ok(storage.location(id.trim_start_matches("sha256:")))
}

impl Storage {
    /// An image of it, as skopeo takes it.
    fn location(&self, image: &str) -> String {
        let Self {
            driver,
            graphroot,
            runroot,
        } = self;
        format!("containers-storage:[{driver}@{graphroot}+{runroot}]{image}")
    }

    fn of_host(root: &Path) -> Result<Self, String> {
        for name in SETTINGS {
            let path = root.join(name);
            match read_text(&path, LARGEST_DOCUMENT) {
                Ok(text) => {
                    return Self::parse(&text)
                        .map_err(|problem| format!("{}: {problem}", path.display()));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
            }
        }
        Err(format!(
            "this host has neither /{} nor /{}: install the package containers-storage (Debian) or containers-common (Fedora)",
            SETTINGS[0], SETTINGS[1]
        ))
    }

    /// Compares the content of the layers, as the storage has noted it, with the configuration of the image: a registry may have
    /// given it other layers.
    fn check_layers(&self, id: &str, config: &[u8]) -> Result<(), String> {
        let config = parse(config).map_err(|error| error.to_string())?;
        let wanted = config
            .get("rootfs")
            .and_then(|rootfs| rootfs.get("diff_ids")?.as_array());
        let wanted = wanted.ok_or("its configuration has no `diff_ids`")?;
        let images = self.records("images", "images.json")?;
        let image = find(&images, id).ok_or("the storage has no record of it")?;
        let mut layers = self.records("layers", "layers.json")?;
        layers.extend(
            self.records("layers", "volatile-layers.json")
                .unwrap_or_default(),
        );
        let mut next = text(image, "layer");
        for content in wanted.iter().rev() {
            let layer = next.and_then(|layer| find(&layers, layer));
            let layer = layer.ok_or("it lacks layers of its configuration")?;
            if text(layer, "diff-digest") != content.as_str() {
                return Err(format!(
                    "the layer {} has other content than its configuration says",
                    text(layer, "id").unwrap_or_default()
                ));
            }
            next = text(layer, "parent").filter(|parent| !parent.is_empty());
        }
        match next {
            None => Ok(()),
            Some(layer) => Err(format!("its configuration does not know the layer {layer}")),
        }
    }

    /// A list of the storage's own (github.com/containers/storage: `images.json`, `layers.json`).
    fn records(&self, kind: &str, file: &str) -> Result<Vec<Value>, String> {
        let directory = format!("{}-{kind}", self.driver);
        let path = Path::new(&self.graphroot).join(directory).join(file);
        let records = parse(&document(&path)?);
        let records = records.map_err(|error| format!("{}: {error}", path.display()))?;
        let list = records.as_array().cloned();
        list.ok_or_else(|| format!("{} is no list", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Settings =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        Ok(settings.storage)
    }
}

fn text<'a>(record: &'a Value, member: &str) -> Option<&'a str> {
    record.get(member)?.as_str()
}

fn find<'a>(records: &'a [Value], id: &str) -> Option<&'a Value> {
    records.iter().find(|record| text(record, "id") == Some(id))
}

#[cfg(test)]
mod tests {
    use super::Storage;

    #[test]
    fn settings_that_are_not_made_are_the_usual_ones() {
        let given = Storage::parse(
            "# x\n[storage]\ndriver = 'vfs'\n[storage.options]\npull_options = {}\n",
        )
        .unwrap();
        assert_eq!(
            given,
            Storage {
                driver: "vfs".to_owned(),
                ..Storage::default()
            }
        );
        assert_eq!(Storage::parse("").unwrap(), Storage::default());
        assert!(
            Storage::parse("[storage]\ndriver = 1\n")
                .unwrap_err()
                .contains("invalid type")
        );
    }
}
