//! Reading from a container registry (OCI distribution specification), with the tokens of the Docker registry's protocol. Everything that a
//! registry sends is bounded, and a login goes only to where it belongs.
use super::http::{body, client};
use super::{failed, is_loopback};
use crate::error::Result;
use oci_client::Reference;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_registry::{Access, Login, Scope};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap};
use reqwest::{Client, Response, StatusCode};

/// What to do when a registry wants a login.
pub(super) const LOGIN_NEEDED: &str = "the registry wants a login, or does not know the one that it was given: run `skopeo login` or `podman login` first";

/// A repository that is read.
pub(super) struct Pull {
    client: Client,
    /// What messages call it.
    name: String,
    /// `https://HOST/v2/REPOSITORY`.
    base: String,
    registry: Location,
    repository: String,
    login: Login,
    /// The header of requests that were let in.
    authorization: Option<String>,
}

impl Pull {
    pub(super) fn new(name: String, reference: &Reference, login: Login) -> Result<Self> {
        let registry = registry_of(reference).map_err(|cause| failed(&name, cause))?;
        let repository = reference.repository().to_owned();
        Ok(Self {
            client: client()?,
            name,
            base: format!("{}v2/{repository}", registry.url()),
            registry,
            repository,
            login,
            authorization: None,
        })
    }

    /// An object (`manifests` or `blobs`) of up to `largest` bytes.
    pub(super) async fn get(
        &mut self,
        kind: &str,
        digest: &str,
        accept: &str,
        largest: u64,
    ) -> Result<Vec<u8>> {
        let url = format!("{}/{kind}/{digest}", self.base);
        let mut answer = self.request(&url, accept).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            self.authorization = Some(self.authorize(answer.headers()).await?);
            answer = self.request(&url, accept).await?;
        }
        match answer.status() {
            status if status.is_success() => body(&self.name, answer, largest).await,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(failed(&self.name, LOGIN_NEEDED.to_owned()))
            }
            status => Err(failed(&self.name, format!("the registry says {status}"))),
        }
    }

    async fn request(&self, url: &str, accept: &str) -> Result<Response> {
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let error = |error: reqwest::Error| failed(&self.name, with_causes(&error));
        request.send().await.map_err(error)
    }

    /// What opens the door.
    async fn authorize(&self, headers: &HeaderMap) -> Result<String> {
        let login = self.login.clone();
        let access = osbuild_wasm_registry::answer(
            headers,
            &self.registry,
            &self.repository,
            Scope::Pull,
            login,
        );
        match access.await.map_err(|cause| failed(&self.name, cause))? {
            Access::Anonymous => Err(failed(&self.name, LOGIN_NEEDED.to_owned())),
            Access::Login { user, password } => Ok(basic(&user, &password)),
            Access::Token(token) => Ok(format!("Bearer {token}")),
        }
    }
}

/// The server of a reference, which is asked in clear within this machine alone.
pub(super) fn registry_of(reference: &Reference) -> std::result::Result<Location, String> {
    let host = reference.resolve_registry();
    let scheme = if is_loopback(host) { "http" } else { "https" };
    Location::parse(&format!("{scheme}://{host}/"))
}

fn basic(user: &str, password: &str) -> String {
    let text = format!("{user}:{password}");
    format!(
        "Basic {}",
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text)
    )
}
