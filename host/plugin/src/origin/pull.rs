//! Reading from a container registry (OCI distribution specification), with the tokens of the Docker registry's protocol. Everything that a
//! registry sends is bounded, and a login goes only to where it belongs.
use super::http::{body, chain, client};
use super::{failed, is_loopback};
use crate::error::Result;
use oci_client::Reference;
use oci_client::secrets::RegistryAuth;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

/// What to do when a registry wants a login.
pub(super) const WHO: &str = "the registry wants to know who asks, or does not know the login: run `skopeo login` or `podman login` first";

/// Bytes of the largest answer with a token.
const LARGEST_TOKEN: u64 = 64 << 10;

/// A repository that is read.
pub(super) struct Pull {
    client: Client,
    /// What messages call it.
    name: String,
    /// `https://HOST/v2/REPOSITORY`.
    base: String,
    registry: String,
    login: RegistryAuth,
    /// The header of requests that were let in.
    authorization: Option<String>,
}

/// What a server says of itself when it wants a token.
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Pull {
    pub(super) fn new(name: String, reference: &Reference, login: RegistryAuth) -> Result<Self> {
        let registry = reference.resolve_registry().to_owned();
        let scheme = if is_loopback(&registry) {
            "http"
        } else {
            "https"
        };
        Ok(Self {
            client: client()?,
            name,
            base: format!("{scheme}://{registry}/v2/{}", reference.repository()),
            registry,
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
                Err(failed(&self.name, WHO.to_owned()))
            }
            status => Err(failed(&self.name, format!("the registry says {status}"))),
        }
    }

    async fn request(&self, url: &str, accept: &str) -> Result<Response> {
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let error = |error: reqwest::Error| failed(&self.name, chain(&error));
        request.send().await.map_err(error)
    }

    /// What opens the door that these headers describe.
    async fn authorize(&self, headers: &HeaderMap) -> Result<String> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> = challenges.filter_map(|value| value.to_str().ok()).collect();
        if let Some(challenge) = challenges.iter().find_map(|text| Challenge::parse(text)) {
            return self.token(&challenge).await;
        }
        match &self.login {
            RegistryAuth::Basic(user, password) => Ok(basic(user, password)),
            _ => Err(failed(&self.name, WHO.to_owned())),
        }
    }

    async fn token(&self, challenge: &Challenge) -> Result<String> {
        let realm = &challenge.realm;
        let error = |cause: String| failed(&self.name, format!("token server {realm}: {cause}"));
        let parameters = [("service", &challenge.service), ("scope", &challenge.scope)];
        let parameters = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let url =
            Url::parse_with_params(realm, parameters).map_err(|cause| error(cause.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" && !is_loopback(host) {
            return Err(error("its connection is not secured".into()));
        }
        let mut request = self.client.get(url.clone());
        if let RegistryAuth::Basic(user, password) = &self.login {
            if !belongs(host, &self.registry) {
                return Err(error(format!(
                    "the login for {} does not go to another owner's server",
                    self.registry
                )));
            }
            request = request.header(AUTHORIZATION, basic(user, password));
        }
        let answer = request.send().await.map_err(|cause| error(chain(&cause)))?;
        if !answer.status().is_success() {
            return Err(error(format!("it says {}: {WHO}", answer.status())));
        }
        let bytes = body(&self.name, answer, LARGEST_TOKEN).await?;
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|cause| error(cause.to_string()))?;
        Ok(format!("Bearer {}", token.token))
    }
}

fn basic(user: &str, password: &str) -> String {
    let text = format!("{user}:{password}");
    format!(
        "Basic {}",
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text)
    )
}

/// Whether a token server has the owner of the registry: it is the same host, or has the domain that the registry's name is in.
fn belongs(host: &str, registry: &str) -> bool {
    let registry = registry.split(':').next().unwrap_or_default();
    if host == registry || (is_loopback(host) && is_loopback(registry)) {
        return true;
    }
    let domain = registry.split_once('.').map_or("", |(_, domain)| domain);
    let rest = host.strip_suffix(domain);
    domain.contains('.') && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Challenge {
    /// Reads `Bearer realm="...",service="...",scope="..."`.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut challenge = Self::default();
        while let Some((name, value)) = rest.split_once("=\"") {
            let (value, after) = value.split_once('"')?;
            match name.trim_matches([',', ' ']) {
                "realm" => value.clone_into(&mut challenge.realm),
                "service" => challenge.service = Some(value.to_owned()),
                "scope" => challenge.scope = Some(value.to_owned()),
                _ => {}
            }
            rest = after;
        }
        (!challenge.realm.is_empty()).then_some(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_the_token_server() {
        let text = r#"Bearer realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull,push""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.realm, "https://auth.example.org/token");
        assert_eq!(challenge.scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), None);
        assert_eq!(Challenge::parse("Bearer service=\"x\""), None);
        assert_eq!(Challenge::parse("Bearer realm=\"x"), None);
    }

    #[test]
    fn a_login_belongs_to_the_owner_of_the_registry() {
        for (host, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("auth.docker.io", "registry-1.docker.io"),
            ("gitlab.com", "registry.gitlab.com"),
            ("localhost", "localhost:5000"),
        ] {
            assert!(belongs(host, registry), "{host} {registry}");
        }
        for (host, registry) in [
            ("evil.example", "ghcr.io"),
            ("evil.io", "ghcr.io"),
            ("evildocker.io", "registry-1.docker.io"),
            ("docker.io.evil.example", "registry-1.docker.io"),
            ("localhost", "ghcr.io"),
        ] {
            assert!(!belongs(host, registry), "{host} {registry}");
        }
    }
}
