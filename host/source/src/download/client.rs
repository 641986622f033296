//! HTTP clients: one for each way in which connections must be secured, shared by all transfers.

use crate::logins::BasicLogin;
use crate::proxies::{Proxies, Proxy};
use crate::secrets::ClientCertificate;
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file, with_causes};
use osbuild_wasm_manifest::location::Location;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a connection is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Security {
    /// Take any certificate of the server.
    pub(crate) insecure: bool,
    /// Show a certificate to the servers of one origin.
    pub(crate) identity: Option<Identity>,
    /// Files with certificate authorities of one origin, which is the first member.
    pub(crate) authorities: Option<(String, Vec<PathBuf>)>,
    /// Logins, each after the origin that it is for.
    pub(crate) logins: Vec<(String, BasicLogin)>,
}

/// A client certificate, and the server that it is for: another server that leads to, or is led to, does not see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) certificate: ClientCertificate,
    origin: String,
}

impl Identity {
    /// A certificate for the server of a URL that the manifest has.
    pub(crate) fn new(certificate: ClientCertificate, location: &Location) -> Self {
        Self {
            certificate,
            origin: location.origin(),
        }
    }
}

impl Security {
    /// What a request to the server of a location says of who asks.
    pub(super) fn login(&self, location: &Location) -> Option<HeaderValue> {
        let origin = location.origin();
        let mut logins = self.logins.iter();
        logins.find(|(of, _)| *of == origin)?.1.header()
    }

    /// What of it the server of a location gets to see.
    fn towards(&self, location: &Location) -> Self {
        let (identity, origin) = (self.identity.as_ref(), location.origin());
        let authorities = self.authorities.as_ref();
        Self {
            insecure: self.insecure,
            identity: identity
                .filter(|identity| identity.origin == origin)
                .cloned(),
            authorities: authorities.filter(|(of, _)| *of == origin).cloned(),
            // Requests have them, connections do not.
            logins: Vec::new(),
        }
    }
}

/// Makes clients when they are first needed.
pub(super) struct Clients {
    pub(super) proxies: Proxies,
    connect_timeout: Duration,
    made: RefCell<HashMap<(Security, Option<Proxy>), Client>>,
}

impl Clients {
    pub(super) fn new(proxies: Proxies, connect_timeout: Duration) -> Self {
        // An error means that somebody else in this process has chosen a provider: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            proxies,
            connect_timeout,
            made: RefCell::default(),
        }
    }

    /// The client for connections to the server of a location, by way of a proxy or straight.
    pub(super) fn get(
        &self,
        security: &Security,
        location: &Location,
        proxy: Option<&Proxy>,
    ) -> Result<Client, String> {
        let way = (security.towards(location), proxy.cloned());
        if let Some(client) = self.made.borrow().get(&way) {
            return Ok(client.clone());
        }
        let client = self.make(&way)?;
        self.made.borrow_mut().insert(way, client.clone());
        Ok(client)
    }

    fn make(&self, way: &(Security, Option<Proxy>)) -> Result<Client, String> {
        if let Ok(client) = self.builder(way)?.build() {
            return Ok(client);
        }
        // A machine without any certificate authority: what needs none shall work there.
        let trusted = authorities(&way.0)?;
        let built = self.builder(way)?.tls_certs_only(trusted).build();
        built.map_err(|error| format!("cannot set up TLS: {}", with_causes(&error)))
    }

    fn builder(
        &self,
        (security, proxy): &(Security, Option<Proxy>),
    ) -> Result<ClientBuilder, String> {
        let mut builder = Client::builder()
            .user_agent(user_agent())
            .connect_timeout(self.connect_timeout)
            .redirect(Policy::none()) // Each is looked at before it is followed.
            .referer(false)
            .no_proxy() // That of the given environment follows.
            .tls_danger_accept_invalid_certs(security.insecure);
        if let Some(proxy) = proxy {
            let url = proxy.url.clone();
            let all = reqwest::Proxy::all(url);
            let all = all.map_err(|_| format!("the proxy {} cannot be talked to", proxy.host))?;
            builder = builder.proxy(all);
        }
        if let Some(Identity { certificate, .. }) = &security.identity {
            builder = builder.identity(identity(certificate)?);
        }
        let authorities = authorities(security)?;
        if !authorities.is_empty() {
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(builder)
    }
}

/// What osbuild calls itself, which some servers make a difference by.
fn user_agent() -> String {
    let system = rustix::system::uname();
    format!(
        "osbuild (Linux.{}; https://osbuild.org/)",
        system.machine().to_string_lossy()
    )
}

fn identity(files: &ClientCertificate) -> Result<reqwest::Identity, String> {
    let mut pem = read(&files.key)?;
    pem.push(b'\n');
    pem.extend(read(&files.certificate)?);
    reqwest::Identity::from_pem(&pem).map_err(|error| {
        let (key, certificate) = (files.key.display(), files.certificate.display());
        format!(
            "{key} and {certificate} are not a key and a certificate in PEM format: {}",
            with_causes(&error)
        )
    })
}

fn authorities(security: &Security) -> Result<Vec<Certificate>, String> {
    let identity = security.identity.iter();
    let of_identity = identity.filter_map(|identity| identity.certificate.authority.as_ref());
    let of_origin = security.authorities.iter().flat_map(|(_, files)| files);
    let mut all = Vec::new();
    for path in of_identity.chain(of_origin) {
        let parsed = Certificate::from_pem_bundle(&read(path)?);
        all.extend(parsed.map_err(|error| {
            format!(
                "{} holds no certificates in PEM format: {}",
                path.display(),
                with_causes(&error)
            )
        })?);
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, LARGEST_DOCUMENT)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
