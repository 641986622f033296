//! What a registry wants from those who have a login.

use crate::login::Login;
use http_auth::{ChallengeParser, ChallengeRef};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file};
use osbuild_wasm_manifest::location::Location;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer with a token.
pub const LARGEST_ANSWER: usize = 64 << 10;

/// The servers of docker.io.
const DOCKER_HUB: [&str; 2] = ["index.docker.io:443", "registry-1.docker.io:443"];

/// Where container tools find certificate authorities of registries, below a directory of the registry's name
/// (containers-certs.d(5)).
const AUTHORITIES: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// What is to be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read it.
    Pull,
    /// Write it too.
    Push,
}

impl Scope {
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// How a registry is to be asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Anonymously.
    Anonymous,
    /// With the login itself.
    Login {
        /// Name of the user.
        user: String,
        /// Password, or what stands for it.
        password: String,
    },
    /// With a token that the login was given for.
    Token(String),
}

impl std::fmt::Debug for Access {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Login { .. } => "Login",
            Self::Token(_) => "Token",
        })
    }
}

/// Asks a registry, `https://HOST/` (or `http://` of this machine), what it wants, and for a token where it wants one.
///
/// # Errors
/// One line: it cannot be asked, or wants the login told to a server it is not for.
pub async fn access(
    registry: &Location,
    repository: &str,
    scope: Scope,
    login: Login,
) -> Result<Access, String> {
    let client = client(registry)?;
    let asked = ask(&client, &registry.below("v2/")?, &Login::None).await?;
    answer(asked.headers(), registry, repository, scope, login).await
}

/// What is to be shown to a registry that has answered with these headers.
///
/// # Errors
/// As [`access`].
pub async fn answer(
    headers: &HeaderMap,
    registry: &Location,
    repository: &str,
    scope: Scope,
    login: Login,
) -> Result<Access, String> {
    match (demand(headers, registry, repository, scope, &login)?, login) {
        (Demand::Login, Login::Password { user, password }) => Ok(Access::Login { user, password }),
        (Demand::Token(realm), login) => {
            let client = client(&realm)?;
            fetch_token(&client, &realm, &login)
                .await
                .map(Access::Token)
        }
        _ => Ok(Access::Anonymous),
    }
}

/// What a registry wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// The login itself.
    Login,
    /// A token that is had there, with the login where there is one; no redirect is followed.
    Token(Location),
}

/// What a registry that has answered with these headers wants, where the login may be told.
///
/// # Errors
/// As [`access`].
pub fn demand(
    headers: &HeaderMap,
    registry: &Location,
    repository: &str,
    scope: Scope,
    login: &Login,
) -> Result<Demand, String> {
    let (realm, service) = match challenge(headers) {
        None => return Ok(Demand::Nothing),
        Some(Challenge::Basic) => return Ok(Demand::Login),
        Some(Challenge::Bearer { realm, service }) => (realm, service),
    };
    let realm = trusted(registry, &realm, login)?;
    let scope = format!("repository:{repository}:{}", scope.actions());
    let realm = realm.with_query(&[("scope", &scope)]);
    let service = service.map(|service| realm.with_query(&[("service", &service)]));
    Ok(Demand::Token(service.unwrap_or(realm)))
}

/// The token in an answer of at most [`LARGEST_ANSWER`] bytes.
///
/// # Errors
/// One line: it is no answer with a token.
pub fn token(answer: &[u8]) -> Result<String, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let token = answer.token.or(answer.access_token);
    token.ok_or_else(|| "there is none in its answer".to_owned())
}

enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// What an answer asks for (RFC 9110, 11.6.1); a token where there is the choice.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let headers = headers.get_all(WWW_AUTHENTICATE).iter();
    let texts: Vec<_> = headers.filter_map(|header| header.to_str().ok()).collect();
    let all = texts
        .iter()
        .flat_map(|text| ChallengeParser::new(text).flatten());
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|challenge| !challenge.scheme.eq_ignore_ascii_case("bearer"));
    let first = all.first()?;
    let parameter = |name: &str| parameter(first, name);
    if first.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    Some(Challenge::Bearer {
        realm: parameter("realm").unwrap_or_default(),
        service: parameter("service"),
    })
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let mut parameters = challenge.params.iter();
    let found = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

/// The realm, if the login may be told there; where there is none, any over a secured connection, or of this machine.
fn trusted(registry: &Location, realm: &str, login: &Login) -> Result<Location, String> {
    let realm = Location::parse(realm)?;
    let wrong = |problem: &str| Err(format!("token server {}: {problem}", realm.shown()));
    if !realm.is_trusted_with(&realm) {
        return wrong("its connection is not secured");
    }
    let named = match registry.host() {
        Some(host) if DOCKER_HUB.contains(&&*host) => Location::parse("https://docker.io/")?,
        _ => registry.clone(),
    };
    if *login == Login::None || named.is_trusted_with(&realm) {
        return Ok(realm);
    }
    wrong(&format!(
        "the login for {} does not go to another owner's server",
        registry.shown()
    ))
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

async fn fetch_token(client: &Client, realm: &Location, login: &Login) -> Result<String, String> {
    let mut answer = ask(client, realm, login).await?;
    let wrong = |problem: &str| format!("{} gives no token: {problem}", realm.shown());
    if !answer.status().is_success() {
        return Err(wrong(&format!("it answered {}", answer.status())));
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| wrong(&error.to_string()))?
    {
        text.extend_from_slice(&chunk);
        if text.len() > LARGEST_ANSWER {
            return Err(wrong(&format!("it is larger than {LARGEST_ANSWER} bytes")));
        }
    }
    token(&text).map_err(|problem| wrong(&problem))
}

/// A redirect is an answer like others: a login goes where it was sent, and nowhere else.
fn client(registry: &Location) -> Result<Client, String> {
    // An error means that somebody else in this process has chosen a provider: that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .redirect(Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
    };
    let authorities = authorities(registry);
    let client = match authorities.is_empty() {
        true => builder().build(),
        false => builder().tls_certs_merge(authorities).build(),
    };
    // A machine without any certificate authority: what needs none shall work there.
    client
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(|error| format!("cannot set up TLS: {error}"))
}

/// The files of this machine by which a registry is known (`.crt`), and those by which it knows the user (`.cert`, `.key`).
pub fn certificates(registry: &Location) -> Vec<PathBuf> {
    let host = registry.host().unwrap_or_default();
    let names = [host.strip_suffix(":443").unwrap_or(&host).to_owned(), host];
    let directories = AUTHORITIES.iter().flat_map(|directory| {
        names
            .iter()
            .map(move |name| PathBuf::from(directory).join(name))
    });
    let entries = directories.filter_map(|directory| std::fs::read_dir(directory).ok());
    let mut files: Vec<_> = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn authorities(registry: &Location) -> Vec<Certificate> {
    let files = certificates(registry).into_iter();
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "crt"));
    let texts = files.filter_map(|file| read_file(&file, LARGEST_DOCUMENT).ok());
    texts
        .filter_map(|text| Certificate::from_pem_bundle(&text).ok())
        .flatten()
        .collect()
}

async fn ask(client: &Client, location: &Location, login: &Login) -> Result<Response, String> {
    let mut request = client.get(location.url().clone());
    if let Login::Password { user, password } = login {
        request = request.basic_auth(user, Some(password));
    }
    let sent = request.send().await;
    sent.map_err(|error| format!("cannot ask {}: {}", location.shown(), error.without_url()))
}
