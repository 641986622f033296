//! Which image of a registry a flatpak is. A registry with flatpaks has an index of them (github.com/flatpak/flatpak, `OCI remotes`): a document
//! that says for each image, in its label `org.flatpak.ref`, which flatpak it is.
use crate::containers::{FoundImage, WantedImage, platform_of};
use crate::error::{Kind, ResolveError};
use crate::solver::Resolver;
use osbuild_wasm_manifest::location::{Location, redact};
use osbuild_wasm_manifest::nearest::nearest;
use osbuild_wasm_source::{SKOPEO, flatpak_index};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The kind of remote that is a registry, in a URL.
const OCI: &str = "oci+";

/// A flatpak that is wished for.
#[derive(Debug, Clone, Copy)]
pub struct WantedFlatpak<'a> {
    /// Address of the registry with its kind: `oci+https://HOST`.
    pub url: &'a str,
    /// `app/NAME/ARCH/BRANCH` or `runtime/NAME/ARCH/BRANCH`.
    pub reference: &'a str,
    /// Architecture, such as `x86_64`.
    pub arch: &'a str,
}

/// A flatpak that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFlatpak {
    /// Its image.
    pub image: FoundImage,
    /// Whether the connection to its registry is secured; it is not where the URL says `oci+http://`.
    pub verify_tls: bool,
}

impl Resolver<'_> {
    /// Finds flatpaks, in order. Each index is asked for once.
    ///
    /// # Errors
    /// One line: an index is not to be had, has no such flatpak, or its registry has no such image.
    pub fn flatpaks(
        &self,
        wanted: &[WantedFlatpak<'_>],
    ) -> Result<Vec<FoundFlatpak>, ResolveError> {
        let mut indexes = BTreeMap::new();
        let mut found = Vec::new();
        for flatpak in wanted {
            let failed = |problem| {
                let (reference, url) = (flatpak.reference, redact(flatpak.url));
                ResolveError::new(
                    Kind::Content,
                    format!("the flatpak {reference} of {url}: {problem}"),
                )
            };
            if !indexes.contains_key(flatpak.url) {
                let index = self.flatpak_index(flatpak).map_err(failed)?;
                indexes.insert(flatpak.url, index);
            }
            let image = indexes[flatpak.url].image(flatpak.reference);
            let (reference, verify_tls) = image.map_err(failed)?;
            let image = self.image(&WantedImage {
                reference: &reference,
                arch: flatpak.arch,
                verify_tls,
                local: false,
            })?;
            found.push(FoundFlatpak { image, verify_tls });
        }
        Ok(found)
    }

    /// The index of a registry for an architecture.
    fn flatpak_index(&self, wanted: &WantedFlatpak<'_>) -> Result<Index, String> {
        let Some(url) = wanted.url.strip_prefix(OCI) else {
            return Err("only registries can be asked: write oci+https://HOST".to_owned());
        };
        let (architecture, os) = platform_of(wanted.arch);
        let location = Location::parse(url)?.below("index/static")?.with_query(&[
            ("label:org.flatpak.ref:exists", "1"),
            ("architecture", architecture),
            ("os", os),
            ("tag", "latest"),
        ]);
        let text = flatpak_index(&location, &self.context(SKOPEO))?;
        let answer: Answer = serde_json::from_slice(&text)
            .map_err(|error| format!("{}: it is no index: {error}", location.shown()))?;
        Index::new(&location, answer)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    /// Where the images are, from the place of the index.
    registry: String,
    results: Vec<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repository {
    name: String,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    digest: String,
    #[serde(default)]
    labels: Named,
    #[serde(default)]
    annotations: Named,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(rename = "org.flatpak.ref")]
    reference: Option<String>,
}

/// What an index says: images by their flatpaks.
#[derive(Debug)]
struct Index {
    images: BTreeMap<String, String>,
    verify_tls: bool,
}

impl Index {
    fn new(location: &Location, answer: Answer) -> Result<Self, String> {
        let registry = location.redirected(&answer.registry)?;
        let host = registry.host().unwrap_or_default();
        if registry.url().path() != "/" {
            return Err(format!(
                "{}: its images are below a path of {}, where no registry is",
                location.shown(),
                registry.shown()
            ));
        }
        let host = host.strip_suffix(":443").unwrap_or(&host);
        let mut images = BTreeMap::new();
        for repository in answer.results {
            for image in repository.images {
                let flatpak = image.labels.reference.or(image.annotations.reference);
                let reference = format!("{host}/{}@{}", repository.name, image.digest);
                images.extend(flatpak.map(|flatpak| (flatpak, reference)));
            }
        }
        Ok(Self {
            images,
            verify_tls: registry.is_https(),
        })
    }

    /// The reference of the image that a flatpak is, and whether its registry is known by a certificate.
    fn image(&self, flatpak: &str) -> Result<(String, bool), String> {
        if let Some(reference) = self.images.get(flatpak) {
            return Ok((reference.clone(), self.verify_tls));
        }
        let near = nearest(flatpak, self.images.keys());
        let hint = near.map_or(String::new(), |near| format!(": did you mean {near}?"));
        Err(format!("the index has no such flatpak{hint}"))
    }
}
