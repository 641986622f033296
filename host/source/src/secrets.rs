//! Client certificates: which files, from where. Reading them is left to who uses them.

use crate::{Environment, FetchContext};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_text};
use osbuild_wasm_manifest::json::Value;
use osbuild_wasm_manifest::location::Location;
use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

/// Files in PEM format for one kind of connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientCertificate {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    /// Certificate authority of the server.
    pub(crate) authority: Option<PathBuf>,
}

/// The certificates that sources of files may name, read from the host when the first is asked for.
pub(crate) struct Providers<'a> {
    context: &'a FetchContext<'a>,
    subscriptions: OnceCell<Result<Subscriptions, String>>,
}

impl<'a> Providers<'a> {
    pub(crate) fn new(context: &'a FetchContext<'a>) -> Self {
        let subscriptions = OnceCell::new();
        Self {
            context,
            subscriptions,
        }
    }

    /// The certificate for a location that an item or a mirror asks for by its member `secrets`.
    pub(crate) fn certificate(
        &self,
        item: &Value,
        location: &Location,
    ) -> Result<Option<ClientCertificate>, String> {
        match provider(item) {
            Some("org.osbuild.mtls") => {
                mtls(self.context.environment, "OSBUILD_SOURCES_CURL").map(Some)
            }
            Some("org.osbuild.rhsm") => {
                let read = || Subscriptions::of_host(self.context.host_root);
                let found = self.subscriptions.get_or_init(read).as_ref();
                found
                    .map_err(String::clone)?
                    .certificate(&location.without_credentials())
                    .cloned()
                    .map(Some)
            }
            // Others are for other kinds of sources; osbuild passes over them as well.
            _ => Ok(None),
        }
    }
}

/// The provider that is named in the member `secrets`.
pub(crate) fn provider(item: &Value) -> Option<&str> {
    item.get("secrets")?.get("name")?.as_str()
}

/// `org.osbuild.mtls`: files named by environment variables that begin with `prefix`.
pub(crate) fn mtls(environment: &Environment, prefix: &str) -> Result<ClientCertificate, String> {
    let names = ["CLIENT_KEY", "CLIENT_CERT", "CA_CERT"].map(|name| format!("{prefix}_SSL_{name}"));
    let [key, certificate, authority] = names
        .each_ref()
        .map(|name| environment.get(name).map(PathBuf::from));
    let (Some(key), Some(certificate)) = (key, certificate) else {
        return Err(format!(
            "a client certificate is needed: set {} and {} to its files",
            names[0], names[1]
        ));
    };
    Ok(ClientCertificate {
        key,
        certificate,
        authority,
    })
}

/// The subscriptions of a host that is registered with Red Hat's subscription manager.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    repositories: Vec<(String, ClientCertificate)>,
    fallback: Option<ClientCertificate>,
}

/// Where the subscription manager keeps its files: on a host, or as container tools pass them on.
struct Places {
    repositories: PathBuf,
    entitlements: PathBuf,
    authorities: PathBuf,
}

impl Places {
    fn below(root: &Path) -> Self {
        let secrets = root.join("run/secrets");
        let passed_on = Self {
            repositories: secrets.join("redhat.repo"),
            entitlements: secrets.join("etc-pki-entitlement"),
            authorities: secrets.join("rhsm/ca"),
        };
        if passed_on.repositories.exists() || passed_on.entitlements.exists() {
            return passed_on;
        }
        Self {
            repositories: root.join("etc/yum.repos.d/redhat.repo"),
            entitlements: root.join("etc/pki/entitlement"),
            authorities: root.join("etc/rhsm/ca"),
        }
    }

    /// Where a file that is named by its usual place on a host is here.
    fn translate(&self, root: &Path, path: &str) -> PathBuf {
        for (usual, here) in [
            ("/etc/pki/entitlement/", &self.entitlements),
            ("/etc/rhsm/ca/", &self.authorities),
        ] {
            if let Some(name) = path.strip_prefix(usual) {
                return here.join(name);
            }
        }
        root.join(path.trim_start_matches('/'))
    }

    /// An authority of a Katello server that lies beside the usual one is the right one.
    fn authority(usual: PathBuf) -> PathBuf {
        let katello = usual.with_file_name("katello-server-ca.pem");
        if katello.exists() { katello } else { usual }
    }
}

impl Subscriptions {
    /// Reads the subscriptions of the host whose file system is at `root`.
    pub(crate) fn of_host(root: &Path) -> Result<Self, String> {
        let places = Places::below(root);
        let text = read_text(&places.repositories, LARGEST_DOCUMENT).unwrap_or_default();
        let mut found = Self {
            repositories: Vec::new(),
            fallback: fallback(&places),
        };
        for section in sections(&text) {
            let value = |name: &str| {
                section
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| *value)
            };
            let (Some(url), Some(key), Some(certificate)) = (
                value("baseurl"),
                value("sslclientkey"),
                value("sslclientcert"),
            ) else {
                continue;
            };
            let authority = value("sslcacert").unwrap_or("/etc/rhsm/ca/redhat-uep.pem");
            let certificate = ClientCertificate {
                key: places.translate(root, key),
                certificate: places.translate(root, certificate),
                authority: Some(Places::authority(places.translate(root, authority))),
            };
            found.repositories.push((url.to_owned(), certificate));
        }
        if found.repositories.is_empty() && found.fallback.is_none() {
            return Err(
                "No RHSM secrets found on this host: register it with subscription-manager"
                    .to_owned(),
            );
        }
        Ok(found)
    }

    /// The certificate for a URL.
    pub(crate) fn certificate(&self, url: &str) -> Result<&ClientCertificate, String> {
        let matching = self
            .repositories
            .iter()
            .find(|(pattern, _)| matches(pattern, url));
        let found = matching
            .map(|(_, certificate)| certificate)
            .or(self.fallback.as_ref());
        found.ok_or_else(|| {
            "no subscription of this host covers it: attach one that does".to_owned()
        })
    }
}

/// The first entitlement that has both a key and a certificate.
fn fallback(places: &Places) -> Option<ClientCertificate> {
    let names = fs::read_dir(&places.entitlements)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut serials: Vec<_> = names
        .filter_map(|name| name.strip_suffix("-key.pem").map(str::to_owned))
        .collect();
    serials.sort_unstable();
    serials.into_iter().find_map(|serial| {
        let certificate = places.entitlements.join(format!("{serial}.pem"));
        certificate.exists().then(|| ClientCertificate {
            key: places.entitlements.join(format!("{serial}-key.pem")),
            certificate,
            authority: Some(Places::authority(places.authorities.join("redhat-uep.pem"))),
        })
    })
}

/// The sections of a repository file, each as its keys and values.
fn sections(text: &str) -> Vec<Vec<(&str, &str)>> {
    let mut sections = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            sections.push(Vec::new());
        } else if !line.starts_with(['#', ';'])
            && let (Some(section), Some((key, value))) = (sections.last_mut(), line.split_once('='))
        {
            section.push((key.trim(), value.trim()));
        }
    }
    sections
}

/// Which segment of a URL is its host.
const HOST: usize = 2;

/// Whether a URL begins like a base URL in which a variable stands for anything without a slash.
fn matches(pattern: &str, url: &str) -> bool {
    let mut pattern = pattern.to_owned();
    for variable in ["$releasever", "$basearch", "$arch", "$uuid"] {
        pattern = pattern.replace(variable, "*");
    }
    let wanted: Vec<_> = pattern.split('/').collect();
    let given: Vec<_> = url.split('/').collect();
    let last = wanted.len() - 1;
    given.len() >= wanted.len()
        && wanted
            .iter()
            .zip(&given)
            .enumerate()
            .all(|(index, (wanted, given))| {
                // A host is one segment as a whole: another one may begin like it.
                if index == last && index > HOST {
                    glob(&format!("{wanted}*"), given)
                } else {
                    glob(wanted, given)
                }
            })
}

/// Matches a text in which `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((literal, rest)) => text.strip_prefix(literal).is_some_and(|text| {
            (0..=text.len()).any(|skip| text.get(skip..).is_some_and(|text| glob(rest, text)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_variable_in_a_base_url_stands_for_one_segment() {
        let base = "https://cdn.example/content/$releasever/$basearch/os";
        assert!(matches(
            base,
            "https://cdn.example/content/9/x86_64/os/Packages/a.rpm"
        ));
        assert!(matches(base, "https://cdn.example/content/9/x86_64/os"));
        assert!(!matches(
            base,
            "https://cdn.example/content/9/beta/x86_64/os/a.rpm"
        ));
        assert!(!matches(
            base,
            "https://other.example/content/9/x86_64/os/a.rpm"
        ));
        assert!(!matches(base, "https://cdn.example/content/9"));
        assert!(matches("https://h/a-$arch-b/", "https://h/a-x-b/file"));
        assert!(!matches("https://h/a-$arch-b/", "https://h/a-x-c/file"));
        assert!(matches("https://cdn.example", "https://cdn.example/a"));
        assert!(!matches(
            "https://cdn.example",
            "https://cdn.example.evil/a"
        ));
    }
}
