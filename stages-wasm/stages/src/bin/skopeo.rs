//! Copy container images into the tree.
#![forbid(unsafe_code)]
use osbuild_stage::{Arguments, Command, CopyOptions, Error, Result, Tree, bail, path};
use osbuild_stage_common::container::{self, Image};
use osbuild_stage_common::temporary::Temporary;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::process::ExitCode;

const MANIFEST: &str = "manifest.json";
/// Tells skopeo that it is in a user namespace, where attributes of the class `trusted` cannot be set.
const IN_USER_NAMESPACE: (&str, &str) = ("_CONTAINERS_USERNS_CONFIGURED", "done");

#[derive(Deserialize)]
struct Options {
    destination: Destination,
    #[serde(default, rename = "remove-signatures")]
    remove_signatures: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Destination {
    ContainersStorage {
        #[serde(rename = "storage-path")]
        path: Option<String>,
        #[serde(rename = "storage-driver")]
        driver: Option<String>,
    },
    Oci {
        path: String,
    },
    OciArchive {
        path: String,
    },
    Dir {
        path: String,
    },
}

fn main() -> ExitCode {
    osbuild_stage::run(|arguments: Arguments<Options>| {
        let options = &arguments.options;
        let images = container::images(arguments.input("images")?)?;
        let mut lists = Lists::read(&arguments)?;
        for image in &images {
            copy(&arguments, image, lists.of(image)?)?;
        }
        lists.check_used()?;
        options.destination.tidy(&arguments.tree)
    })
}

/// Copies an image, with the list that names it in place of its own manifest.
fn copy(arguments: &Arguments<Options>, image: &Image, list: Option<&List>) -> Result<()> {
    let (tree, options) = (&arguments.tree, &arguments.options);
    let work = Temporary::new(tree)?;
    let image = match list {
        Some(list) => list.merge(image, tree, &work)?,
        None => image.clone(),
    };
    let command = Command::new("skopeo")
        .arg("copy")
        .flag("--remove-signatures", options.remove_signatures)
        .args([image.source()?, options.destination.of(tree, &image.name)?])
        .env(IN_USER_NAMESPACE.0, IN_USER_NAMESPACE.1);
    image.show(command).run()
}

impl Destination {
    /// skopeo's name of it; a missing directory is made.
    fn of(&self, tree: &Tree, name: &str) -> Result<String> {
        let (transport, path) = match self {
            Self::ContainersStorage { driver, .. } => {
                let driver = driver.as_deref().unwrap_or("overlay");
                let storage = tree.path(self.storage());
                return Ok(format!(
                    "containers-storage:[{driver}@{storage}+/run/containers/storage]{name}"
                ));
            }
            Self::Oci { path } => ("oci", path),
            Self::OciArchive { path } => ("oci-archive", path),
            Self::Dir { path } => ("dir", path),
        };
        tree.create_dir_all(path::parent(path))?;
        Ok(format!("{transport}:{}", tree.path(path)))
    }

    fn storage(&self) -> &str {
        match self {
            Self::ContainersStorage { path, .. } => path.as_deref(),
            _ => None,
        }
        .unwrap_or("/var/lib/containers/storage")
    }

    /// Storage with the overlay driver becomes what it is outside of the sandbox.
    fn tidy(&self, tree: &Tree) -> Result<()> {
        match self {
            Self::ContainersStorage { driver, .. }
                if driver.as_deref().unwrap_or("overlay") == "overlay" =>
            {
                // A device node that means nothing elsewhere.
                let node = format!("{}/overlay/backingFsBlockDev", self.storage());
                tree.remove_if_exists(&node)?;
                container::spell_out_opaque(tree, self.storage())
            }
            _ => Ok(()),
        }
    }
}

/// Manifest lists of the input, each of which must belong to an image.
struct Lists(Vec<List>);

struct List {
    name: String,
    text: Vec<u8>,
    digests: Vec<String>,
    used: bool,
}

impl Lists {
    fn read(arguments: &Arguments<Options>) -> Result<Self> {
        let Some(input) = arguments.inputs.get("manifest-lists") else {
            return Ok(Self(Vec::new()));
        };
        let names = input.files()?.keys();
        let list = |name: &String| List::new(name, input.tree().read(name)?);
        names.map(list).collect::<Result<_>>().map(Self)
    }

    /// The list that names the image's manifest.
    fn of(&mut self, image: &Image) -> Result<Option<&List>> {
        if self.0.is_empty() || image.format != "dir" {
            return Ok(None);
        }
        let digest = digest(&Tree::new(&image.path).read(MANIFEST)?);
        let list = self
            .0
            .iter_mut()
            .find(|list| list.digests.contains(&digest));
        Ok(list.map(|list| {
            list.used = true;
            &*list
        }))
    }

    fn check_used(&self) -> Result<()> {
        match self.0.iter().find(|list| !list.used) {
            Some(list) => bail!("the manifest list {} names none of the images", list.name),
            None => Ok(()),
        }
    }
}

impl List {
    fn new(name: &str, text: Vec<u8>) -> Result<Self> {
        let invalid = || Error::new(format!("{name} is no manifest list"));
        let list: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
        let manifests = list["manifests"].as_array().ok_or_else(invalid)?;
        let digests = manifests.iter().filter_map(|one| one["digest"].as_str());
        Ok(Self {
            name: name.into(),
            digests: digests.map(Into::into).collect(),
            text,
            used: false,
        })
    }

    /// A copy of the image in which its manifest has the name by which skopeo looks up the manifests of a list.
    fn merge(&self, image: &Image, tree: &Tree, work: &Temporary) -> Result<Image> {
        let place = work.path("image");
        let options = CopyOptions {
            remove_destination: false,
            follow: false,
        };
        tree.create_dir(&place)?;
        Tree::contract().copy(&format!("{}/.", image.path), &tree.path(&place), options)?;
        let copy = tree.below(&place);
        let digest = digest(&copy.read(MANIFEST)?);
        let hex = digest.trim_start_matches("sha256:");
        copy.rename(MANIFEST, &format!("{hex}.{MANIFEST}"))?;
        copy.write(MANIFEST, &self.text)?;
        let mut merged = image.clone();
        merged.path = copy.root().into();
        Ok(merged)
    }
}

fn digest(manifest: &[u8]) -> String {
    let bytes = Sha256::digest(manifest);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_digests() {
        let text = br#"{"manifests": [{"digest": "sha256:a"}, {"digest": "sha256:b"}]}"#;
        let list = List::new("l", text.to_vec()).unwrap();
        assert_eq!(list.digests, ["sha256:a", "sha256:b"]);
        assert!(List::new("l", b"{}".to_vec()).is_err());
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        assert!(digest(b"").starts_with("sha256:e3b0c44298fc1c14"));
    }

    #[test]
    fn an_unused_list_is_an_error() {
        let list = List::new("l", br#"{"manifests": []}"#.to_vec()).unwrap();
        let mut lists = Lists(vec![list]);
        assert!(lists.check_used().is_err());
        lists.0[0].used = true;
        assert!(lists.check_used().is_ok());
    }
}
