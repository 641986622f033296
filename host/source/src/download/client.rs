//! HTTP clients: one for each way in which connections must be secured, shared by all transfers.

use crate::Environment;
use crate::inline::chain;
use crate::secrets::ClientCertificate;
use osbuild_wasm_manifest::location::Location;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, NoProxy, Proxy, Url};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// How a connection is secured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Security {
    /// Take any certificate of the server.
    pub(crate) insecure: bool,
    /// Show a certificate to the servers of one origin.
    pub(crate) identity: Option<Identity>,
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
    /// What of it the server of a location gets to see.
    fn towards(&self, location: &Location) -> Self {
        let identity = self.identity.as_ref();
        Self {
            insecure: self.insecure,
            identity: identity
                .filter(|identity| identity.origin == location.origin())
                .cloned(),
        }
    }
}

/// Makes clients when they are first needed.
pub(super) struct Clients<'a> {
    environment: &'a Environment,
    proxy: &'static str,
    connect_timeout: Duration,
    made: RefCell<HashMap<Security, Client>>,
}

impl<'a> Clients<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        proxy: &'static str,
        connect_timeout: Duration,
    ) -> Self {
        // An error means that somebody else in this process has chosen a provider: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            environment,
            proxy,
            connect_timeout,
            made: RefCell::default(),
        }
    }

    /// The client for connections to the server of a location.
    pub(super) fn get(&self, security: &Security, location: &Location) -> Result<Client, String> {
        let security = &security.towards(location);
        if let Some(client) = self.made.borrow().get(security) {
            return Ok(client.clone());
        }
        let client = self.make(security)?;
        self.made
            .borrow_mut()
            .insert(security.clone(), client.clone());
        Ok(client)
    }

    fn make(&self, security: &Security) -> Result<Client, String> {
        if let Ok(client) = self.builder(security)?.build() {
            return Ok(client);
        }
        // A machine without any certificate authority: what needs none shall work there.
        let trusted = authorities(security)?;
        let built = self.builder(security)?.tls_certs_only(trusted).build();
        built.map_err(|error| format!("cannot set up TLS: {}", chain(&error)))
    }

    fn builder(&self, security: &Security) -> Result<ClientBuilder, String> {
        let mut builder = Client::builder()
            .user_agent(user_agent())
            .connect_timeout(self.connect_timeout)
            .redirect(Policy::none()) // Each is looked at before it is followed.
            .referer(false)
            .no_proxy() // Of this process; those of the given environment follow.
            .tls_danger_accept_invalid_certs(security.insecure);
        for proxy in proxies(self.environment, self.proxy)? {
            builder = builder.proxy(proxy);
        }
        if let Some(Identity { certificate, .. }) = &security.identity {
            builder = builder.identity(identity(certificate)?);
            let authorities = authorities(security)?;
            if !authorities.is_empty() {
                builder = builder.tls_certs_merge(authorities);
            }
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
            chain(&error)
        )
    })
}

fn authorities(security: &Security) -> Result<Vec<Certificate>, String> {
    let Some(path) = security
        .identity
        .as_ref()
        .and_then(|identity| identity.certificate.authority.as_ref())
    else {
        return Ok(Vec::new());
    };
    let parsed = Certificate::from_pem_bundle(&read(path)?);
    parsed.map_err(|error| {
        format!(
            "{} holds no certificates in PEM format: {}",
            path.display(),
            chain(&error)
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// osbuild's own variable, of the kind of source, rules over the usual ones; `no_proxy` holds for all, as with curl.
fn proxies(environment: &Environment, own: &'static str) -> Result<Vec<Proxy>, String> {
    let first = |names: &[&'static str]| {
        names
            .iter()
            .find_map(|name| environment.get(name).map(|value| (*name, value.to_owned())))
    };
    let exempt =
        first(&["no_proxy", "NO_PROXY"]).and_then(|(_, hosts)| NoProxy::from_string(&hosts));
    type Make = fn(String) -> reqwest::Result<Proxy>;
    // `HTTP_PROXY` in capitals is left out, as by curl: a web server could set it by a header.
    let variables: [(&[&'static str], Make); 4] = [
        (&[own], Proxy::all),
        (&["http_proxy"], Proxy::http),
        (&["https_proxy", "HTTPS_PROXY"], Proxy::https),
        (&["all_proxy", "ALL_PROXY"], Proxy::all),
    ];
    let mut proxies = Vec::new();
    for (names, make) in variables {
        let Some((name, address)) = first(names) else {
            continue;
        };
        let address = if address.contains("://") {
            address
        } else {
            format!("http://{address}")
        };
        let known = Url::parse(&address).ok().filter(|url| url.has_host());
        let proxy = known.and_then(|url| make(url.to_string()).ok());
        let proxy =
            proxy.ok_or_else(|| format!("the variable {name} does not hold the URL of a proxy"))?;
        proxies.push(proxy.no_proxy(exempt.clone()));
    }
    Ok(proxies)
}
