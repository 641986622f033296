//! Which image a reference names, for an architecture.
use crate::error::{Kind, ResolveError};
use crate::solver::Resolver;
use osbuild_wasm_manifest::reference::{ImageReference, is_digest};
use osbuild_wasm_source::{CONTAINERS_STORAGE, SKOPEO, registry_manifest, stored_image_id};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;

/// An image that is wished for.
#[derive(Debug, Clone, Copy)]
pub struct WantedImage<'a> {
    /// `[HOST/]PATH[:TAG][@DIGEST]`.
    pub reference: &'a str,
    /// Architecture, such as `x86_64`.
    pub arch: &'a str,
    /// Whether the certificate of the registry is checked.
    pub verify_tls: bool,
    /// Whether it is in the container storage of this machine, not in a registry.
    pub local: bool,
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// Its name in full, without tag and digest.
    pub name: String,
    /// What it is called where it is stored.
    pub stored_name: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Digest of its configuration.
    pub id: String,
    /// Digest of the list that it was chosen from, if there is one.
    pub list: Option<String>,
}

impl Resolver<'_> {
    /// Finds the image of a reference; where that names a list, the one for the architecture.
    ///
    /// # Errors
    /// One line: the reference is none, nothing has that name, or what has it is no image for the architecture.
    pub fn image(&self, wanted: &WantedImage<'_>) -> Result<FoundImage, ResolveError> {
        let reference = ImageReference::parse(wanted.reference)
            .map_err(|problem| ResolveError::new(Kind::Missing, problem))?;
        let found = match wanted.local {
            true => self.local_image(&reference),
            false => self.remote_image(&reference, wanted),
        };
        found.map_err(|problem| {
            let reference = wanted.reference;
            ResolveError::new(Kind::Content, format!("the image {reference}: {problem}"))
        })
    }

    fn local_image(&self, reference: &ImageReference) -> Result<FoundImage, String> {
        let (id, digest) = stored_image_id(reference, &self.context(CONTAINERS_STORAGE))?;
        Ok(found(reference, id, digest, None))
    }

    fn remote_image(
        &self,
        reference: &ImageReference,
        wanted: &WantedImage<'_>,
    ) -> Result<FoundImage, String> {
        let (digest, manifest) = self.manifest(reference, wanted.verify_tls)?;
        let Some(images) = &manifest.manifests else {
            return Ok(found(reference, manifest.id()?, digest, None));
        };
        let chosen = choose(images, &Platform::of(wanted.arch))?;
        let chosen = reference.with_digest(&chosen.digest);
        let (image, manifest) = self.manifest(&chosen, wanted.verify_tls)?;
        let id = manifest.id()?;
        Ok(found(reference, id, image, Some(digest)))
    }

    /// A manifest or a list with its digest, which is the one of the reference, if that has one.
    fn manifest(
        &self,
        reference: &ImageReference,
        verify_tls: bool,
    ) -> Result<(String, Manifest), String> {
        let text = registry_manifest(reference, verify_tls, &self.context(SKOPEO))?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
        match &reference.digest {
            Some(wanted) if *wanted != digest => Err(format!(
                "the registry answers {wanted} with a manifest of the digest {digest}"
            )),
            _ => Ok((digest, Manifest::read(&text)?)),
        }
    }
}

fn found(
    reference: &ImageReference,
    id: String,
    digest: String,
    list: Option<String>,
) -> FoundImage {
    FoundImage {
        name: reference.name.clone(),
        stored_name: reference.stored_name(),
        digest,
        id,
        list,
    }
}

/// A manifest of an image, or a list of manifests (OCI image specification; Docker's are alike).
#[derive(Debug, Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

/// For what an image is, in the words of GOOS and GOARCH.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: String,
}

impl Manifest {
    fn read(text: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(text)
            .map_err(|error| format!("its manifest cannot be read: {error}"))?;
        match (&read.config, &read.manifests) {
            // Programs would not agree on what it is.
            (Some(_), Some(_)) => {
                Err("its manifest is that of an image and a list at once".to_owned())
            }
            _ => Ok(read),
        }
    }

    /// The id of the image: the digest of its configuration.
    fn id(&self) -> Result<String, String> {
        let config = self.config.as_ref().filter(|_| self.manifests.is_none());
        let digest = config.map(|config| config.digest.clone());
        digest.filter(|digest| is_digest(digest)).ok_or_else(|| {
            "its manifest names no configuration with a digest: it is of another kind".to_owned()
        })
    }
}

/// Architecture and system of containers for an architecture as RPM calls it.
pub(crate) fn platform_of(arch: &str) -> (&str, &'static str) {
    let architecture = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "386",
        other => other,
    };
    (architecture, "linux")
}

impl Platform {
    /// That of an architecture as RPM calls it. Of arm64 there is the variant v8, which often is not said.
    fn of(arch: &str) -> Self {
        let (architecture, os) = platform_of(arch);
        let variant = if arch == "aarch64" { "v8" } else { "" };
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The same without its variant.
    fn any(&self) -> Self {
        Self {
            variant: String::new(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.variant.is_empty() { "" } else { "/" };
        write!(
            f,
            "{}/{}{slash}{}",
            self.os, self.architecture, self.variant
        )
    }
}

/// The image of a list for a platform: the first of its variant, else the first that says none. An image of another variant may not run.
fn choose<'a>(images: &'a [Descriptor], platform: &Platform) -> Result<&'a Descriptor, String> {
    let of = |wanted: &Platform| {
        images
            .iter()
            .find(|image| image.platform.as_ref() == Some(wanted))
    };
    let Some(chosen) = of(platform).or_else(|| of(&platform.any())) else {
        let mut others: Vec<_> = images
            .iter()
            .filter_map(|image| image.platform.as_ref())
            .filter(|platform| platform.architecture != "unknown")
            .map(Platform::to_string)
            .collect();
        others.sort();
        others.dedup();
        let others = match others.is_empty() {
            true => "none with a platform".to_owned(),
            false => others.join(", "),
        };
        return Err(format!(
            "its list has no image for {}; it has {others}",
            platform.any()
        ));
    };
    match is_digest(&chosen.digest) {
        true => Ok(chosen),
        false => Err(format!("its list has a wrong digest, {:?}", chosen.digest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: &str, arch: &str) -> Result<String, String> {
        let manifest = Manifest::read(list.as_bytes())?;
        let images = manifest.manifests.as_deref().unwrap_or_default();
        choose(images, &Platform::of(arch)).map(|image| image.digest[70..].to_owned())
    }

    #[test]
    fn the_image_of_an_architecture_is_the_one_of_its_variant() {
        let image = |number: u8, platform: &str| {
            let zeros = "0".repeat(63);
            format!(r#"{{"digest": "sha256:{zeros}{number}", "platform": {{{platform}}}}}"#)
        };
        let list = [
            image(1, r#""architecture": "unknown", "os": "unknown""#),
            image(2, r#""architecture": "amd64", "os": "windows""#),
            image(
                3,
                r#""architecture": "amd64", "os": "linux", "variant": "v3""#,
            ),
            image(4, r#""architecture": "amd64", "os": "linux""#),
            image(5, r#""architecture": "arm64", "os": "linux""#),
            image(
                6,
                r#""architecture": "arm64", "os": "linux", "variant": "v8""#,
            ),
            image(7, r#""architecture": "s390x", "os": "linux""#),
        ];
        let list = format!(r#"{{"manifests": [{}]}}"#, list.join(","));
        for (arch, expected) in [("x86_64", "4"), ("aarch64", "6"), ("s390x", "7")] {
            assert_eq!(chosen(&list, arch).unwrap(), expected, "{arch}");
        }
        let missing = chosen(&list, "ppc64le").unwrap_err();
        assert!(
            missing.contains(
                "no image for linux/ppc64le; it has linux/amd64, linux/amd64/v3, linux/arm64"
            ),
            "{missing}"
        );
    }

    #[test]
    fn what_is_an_image_and_a_list_at_once_or_neither_is_refused() {
        let both = r#"{"config": {"digest": ""}, "manifests": []}"#;
        assert!(Manifest::read(both.as_bytes()).is_err());
        for neither in [
            "{}",
            r#"{"manifests": []}"#,
            r#"{"config": {"digest": "x"}}"#,
        ] {
            assert!(Manifest::read(neither.as_bytes()).unwrap().id().is_err());
        }
    }
}
