//! Where plugins come from: a file, a URL with digest, a container registry.
mod http;
mod pull;
mod registry;

pub use registry::push;

use crate::error::{PluginError, Result};
use crate::signature::{SIGNATURE, with_suffix};
use osbuild_wasm_files::{LARGEST_COMPONENT, LARGEST_DOCUMENT, read_file};

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of this machine.
    File(PathBuf),
    /// `https://HOST/PATH`, with the digest of the file.
    Url {
        /// Without digest.
        url: String,
        /// `sha256:` and hex.
        digest: String,
    },
    /// `oci://HOST/REPOSITORY@sha256:DIGEST`, the digest being that of the manifest.
    Registry {
        /// `HOST/REPOSITORY@sha256:DIGEST`.
        reference: String,
    },
}

/// What was got.
#[derive(Debug)]
pub struct Fetched {
    /// The plugin.
    pub bytes: Vec<u8>,
    /// Its detached signature, when there is one beside it.
    pub signature: Option<Vec<u8>>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url { url, digest } => write!(f, "{url}#{digest}"),
            Self::Registry { reference } => write!(f, "oci://{reference}"),
        }
    }
}

impl Origin {
    /// Reads an origin; `digest` is the option that pins a URL without fragment. What is not on this machine must be pinned.
    pub fn parse(text: &str, digest: Option<&str>) -> Result<Self> {
        let digest = digest
            .map(|digest| check_digest(text, digest))
            .transpose()?;
        if let Some(reference) = text.strip_prefix("oci://") {
            return registry_origin(text, reference);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(text.into()));
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if scheme != "https" && !(scheme == "http" && is_loopback(host)) {
            return Err(PluginError::Usage(format!(
                "{text}: a plugin is a file, or comes from https:// or oci:// (http:// only of this machine)"
            )));
        }
        let (url, fragment) = match text.split_once('#') {
            Some((url, fragment)) => (url, Some(check_digest(text, fragment)?)),
            None => (text, None),
        };
        match (fragment, digest) {
            (Some(a), Some(b)) if a != b => Err(PluginError::Usage(format!(
                "{text}: --digest says {b}: leave one of them out"
            ))),
            (None, None) => Err(PluginError::Usage(format!(
                "{text}: what comes from elsewhere is pinned: append `#sha256:DIGEST` to the URL, or give --digest"
            ))),
            (fragment, digest) => Ok(Self::Url {
                url: url.to_owned(),
                digest: fragment.or(digest).unwrap_or_default(),
            }),
        }
    }

    /// Gets the plugin and checks that it is the pinned one.
    pub fn fetch(&self) -> Result<Fetched> {
        match self {
            Self::File(path) => {
                let signature = with_suffix(path, ".sig");
                Ok(Fetched {
                    bytes: read_file(path, LARGEST_COMPONENT).map_err(PluginError::io(path))?,
                    signature: read_signature(&signature)?,
                })
            }
            Self::Url { url, digest } => {
                let bytes = http::get(url, LARGEST_COMPONENT)?
                    .ok_or_else(|| self.failed("there is no such file"))?;
                self.compare(digest, &bytes)?;
                let signature = http::get(&format!("{url}.sig"), SIGNATURE as u64)?;
                Ok(Fetched { bytes, signature })
            }
            Self::Registry { reference } => registry::pull(reference),
        }
    }

    fn failed(&self, cause: &str) -> PluginError {
        failed(self, cause.to_owned())
    }

    fn compare(&self, wanted: &str, bytes: &[u8]) -> Result<()> {
        let found = crate::digest(bytes);
        if found == wanted {
            return Ok(());
        }
        Err(PluginError::Digest {
            name: self.to_string(),
            wanted: wanted.to_owned(),
            found,
            advice: "it is not what was asked for; nothing was installed".into(),
        })
    }
}

fn failed(origin: impl fmt::Display, cause: String) -> PluginError {
    PluginError::Fetch {
        origin: origin.to_string(),
        cause,
    }
}

/// The signature in a file; none when there is no such file.
pub(crate) fn read_signature(path: &Path) -> Result<Option<Vec<u8>>> {
    match read_file(path, LARGEST_DOCUMENT) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        signature => signature.map(Some).map_err(PluginError::io(path)),
    }
}

fn registry_origin(text: &str, reference: &str) -> Result<Origin> {
    let (_, digest) = reference.split_once('@').ok_or_else(|| {
        PluginError::Usage(format!(
            "{text}: what comes from elsewhere is pinned: name the manifest's digest, `oci://HOST/REPOSITORY@sha256:DIGEST`, rather than a tag"
        ))
    })?;
    check_digest(text, digest)?;
    Ok(Origin::Registry {
        reference: reference.to_owned(),
    })
}

fn check_digest(text: &str, digest: &str) -> Result<String> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() == 64 && hex.bytes().all(is_hex) {
        return Ok(digest.to_owned());
    }
    Err(PluginError::Usage(format!(
        "{text}: {digest:?} is no digest: it is `sha256:` and 64 lower-case hex digits"
    )))
}

/// Whether `host`, perhaps with a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_elsewhere_must_be_pinned() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = format!("https://example.org/x.wasm#{digest}");
        assert_eq!(Origin::parse(&pinned, None).unwrap().to_string(), pinned);
        let by_option = Origin::parse("https://example.org/x.wasm", Some(&digest)).unwrap();
        assert_eq!(by_option.to_string(), pinned);
        let registry = format!("oci://localhost:5000/a/b@{digest}");
        assert_eq!(
            Origin::parse(&registry, None).unwrap().to_string(),
            registry
        );
        for text in [
            "https://example.org/x.wasm",
            "https://example.org/x.wasm#sha256:abc",
            "oci://example.org/x:latest",
            "oci://example.org/x@sha256:ABC",
            "ftp://example.org/x.wasm",
            &format!("http://example.org/x.wasm#{digest}"),
            &format!("http://127.0.0.1.example.org/x.wasm#{digest}"),
            &format!("http://localhost@example.org/x.wasm#{digest}"),
        ] {
            let error = Origin::parse(text, None).unwrap_err();
            assert!(error.is_usage(), "{text}: {error}");
        }
        assert!(Origin::parse(&pinned, Some(&format!("sha256:{}", "b".repeat(64)))).is_err());
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for host in [
            "localhost",
            "localhost:1",
            "127.0.0.1:80",
            "127.1.2.3",
            "[::1]:5",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.example",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "localhost@x",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
