//! `container-resolve`: which images references name.
use crate::content::{flatpaks, image};
use crate::error::ResolveError;
use crate::solver::Resolver;
use osbuild_wasm_generator::content::{
    Container, ContainerRequest, Content, Flatpak, FlatpakRequest,
};
use osbuild_wasm_tasks::{Failure, JobError};
use serde::{Deserialize, Serialize};

/// The images that are wished for, and those that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// Architecture.
    pub arch: String,
    /// The images.
    #[serde(default)]
    pub specs: Vec<ContainerSpec>,
    /// Flatpaks of registries, which are images as well. osbuild-composer has no job for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flatpaks: Vec<FlatpakSpec>,
}

/// An image: a wish has a source, the answer the digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Its reference.
    pub source: String,
    /// Name in the image.
    pub name: String,
    /// Whether its registry's certificate is checked, where it is said.
    #[serde(rename = "tls-verify", skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// Digest of its configuration.
    pub image_id: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Digest of the list it was chosen from.
    #[serde(rename = "list-digest", skip_serializing_if = "String::is_empty")]
    pub list_digest: String,
    /// Whether it lies in the container storage of the worker's machine. osbuild-composer asks registries only.
    #[serde(rename = "local-storage", skip_serializing_if = "is_false")]
    pub local: bool,
}

/// A flatpak; the answer has its image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlatpakSpec {
    /// Name of the remote in the image.
    pub remote_name: String,
    /// Address of the registry, with its kind (`oci+https://...`).
    pub url: String,
    /// Reference of the flatpak.
    pub reference: String,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ContainerSpec>,
}

/// What was found, in the order of the wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerAnswer {
    /// The images.
    pub specs: Vec<ContainerSpec>,
    /// The flatpaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flatpaks: Vec<FlatpakSpec>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Containers {
    fn wishes(&self) -> Vec<ContainerRequest> {
        self.specs.iter().map(Into::into).collect()
    }

    fn flatpak_wishes(&self) -> Vec<FlatpakRequest> {
        self.flatpaks.iter().map(Into::into).collect()
    }

    pub(super) fn content(&self) -> Content {
        Content {
            containers: self.wishes(),
            flatpaks: self.flatpak_wishes(),
            ..Content::default()
        }
    }

    pub(super) fn answer(&self, resolver: &Resolver<'_>) -> Result<ContainerAnswer, JobError> {
        let found = self.find(resolver);
        found.map_err(|error| JobError::new(Failure::Container, error.to_string()))
    }

    fn find(&self, resolver: &Resolver<'_>) -> Result<ContainerAnswer, ResolveError> {
        let wishes = self.wishes();
        let specs = wishes
            .iter()
            .map(|wish| Ok(image(resolver, wish, &self.arch)?.into()));
        let wishes = self.flatpak_wishes();
        Ok(ContainerAnswer {
            specs: specs.collect::<Result<_, ResolveError>>()?,
            flatpaks: flatpaks(resolver, &wishes, &self.arch)?
                .into_iter()
                .zip(&self.flatpaks)
                .map(|(found, wish)| FlatpakSpec {
                    image: Some(found.container.into()),
                    ..wish.clone()
                })
                .collect(),
        })
    }
}

impl From<&ContainerSpec> for ContainerRequest {
    fn from(spec: &ContainerSpec) -> Self {
        Self {
            source: spec.source.clone(),
            name: spec.name.clone(),
            tls_verify: spec.tls_verify,
            local: spec.local,
        }
    }
}

impl From<&ContainerRequest> for ContainerSpec {
    fn from(wish: &ContainerRequest) -> Self {
        Self {
            source: wish.source.clone(),
            name: wish.name.clone(),
            tls_verify: wish.tls_verify,
            local: wish.local,
            ..Self::default()
        }
    }
}

impl From<Container> for ContainerSpec {
    fn from(found: Container) -> Self {
        Self {
            source: found.source,
            name: found.local_name,
            tls_verify: found.tls_verify,
            image_id: found.image_id,
            digest: found.digest,
            list_digest: found.list_digest,
            local: found.local,
        }
    }
}

impl From<ContainerSpec> for Container {
    fn from(spec: ContainerSpec) -> Self {
        Self {
            source: spec.source,
            digest: spec.digest,
            image_id: spec.image_id,
            list_digest: spec.list_digest,
            local_name: spec.name,
            tls_verify: spec.tls_verify,
            local: spec.local,
        }
    }
}

impl From<&FlatpakRequest> for FlatpakSpec {
    fn from(wish: &FlatpakRequest) -> Self {
        Self {
            remote_name: wish.remote_name.clone(),
            url: wish.url.clone(),
            reference: wish.reference.clone(),
            image: None,
        }
    }
}

impl From<&FlatpakSpec> for FlatpakRequest {
    fn from(spec: &FlatpakSpec) -> Self {
        Self {
            remote_name: spec.remote_name.clone(),
            url: spec.url.clone(),
            reference: spec.reference.clone(),
        }
    }
}

impl From<FlatpakSpec> for Flatpak {
    fn from(spec: FlatpakSpec) -> Self {
        Self {
            remote_name: spec.remote_name,
            container: spec.image.unwrap_or_default().into(),
        }
    }
}
