//! A repository as files and distributions describe it.
use crate::error::ResolveError;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_source::{BasicLogin, RpmRepository};
use std::path::PathBuf;
use std::time::Duration;

/// A repository of RPM packages. Fields are those of yum's configuration, see dnf.conf(5); what is not said is left to the solver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its name for programs.
    pub id: String,
    /// Its name for people; empty: the id.
    pub name: String,
    /// URLs that packages are below, the preferred ones first.
    pub baseurl: Vec<String>,
    /// URL of a metalink.
    pub metalink: Option<String>,
    /// URL of a list of mirrors.
    pub mirrorlist: Option<String>,
    /// Whether signatures of packages are checked.
    pub gpgcheck: Option<bool>,
    /// Whether the signature of the index is checked.
    pub repo_gpgcheck: Option<bool>,
    /// Keys for that: texts or URLs.
    pub gpgkey: Vec<String>,
    /// Take any certificate of its servers.
    pub insecure: bool,
    /// File with certificate authorities of the server that is named.
    pub sslcacert: Option<PathBuf>,
    /// File with the key of the client certificate.
    pub sslclientkey: Option<PathBuf>,
    /// File with the client certificate.
    pub sslclientcert: Option<PathBuf>,
    /// Logins, each after the origin of a server that is named.
    pub logins: Vec<(String, BasicLogin)>,
    /// Show the client certificate of this machine's subscription.
    pub rhsm: bool,
    /// How long an index is current without asking the server; none: it is asked each time.
    pub metadata_expire: Option<Duration>,
    /// Its packages are not hidden by modules.
    pub module_hotfixes: Option<bool>,
    /// Precedence: the lowest number wins.
    pub priority: Option<i32>,
    /// Of equal packages the cheaper one is taken.
    pub cost: Option<i32>,
    /// Go on without it when it cannot be reached.
    pub skip_if_unavailable: bool,
}

impl Repository {
    /// Whether its index has to be signed.
    pub(crate) fn is_signed(&self) -> bool {
        self.repo_gpgcheck == Some(true)
    }

    /// How messages name it: what it is called by a checksum alone has a name that says more.
    pub fn shown(&self) -> &str {
        let is_checksum =
            self.id.len() == 64 && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_checksum && !self.name.is_empty() {
            true => &self.name,
            false => &self.id,
        }
    }

    /// Takes the logins out of its URLs (`https://USER:PASSWORD@HOST/`): nothing is told, named or kept after these.
    ///
    /// # Errors
    /// One line: a URL with a login cannot be read.
    pub fn split_logins(&mut self) -> Result<(), ResolveError> {
        let split = self.split();
        split.map_err(|problem| ResolveError::repository(self.shown(), problem))
    }

    pub(crate) fn split(&mut self) -> Result<(), String> {
        let lists = self.metalink.iter_mut().chain(&mut self.mirrorlist);
        for url in lists.chain(&mut self.baseurl).chain(&mut self.gpgkey) {
            let (plain, login) = match url.contains("-----BEGIN") {
                true => continue,
                false => BasicLogin::split(url)?,
            };
            if let Some(login) = login {
                self.logins.push((Location::parse(&plain)?.origin(), login));
                *url = plain;
            }
        }
        Ok(())
    }

    /// The URLs below which packages are, or of lists of these, that have a login.
    pub fn logins_by_url(&self) -> impl Iterator<Item = (&str, &BasicLogin)> {
        let lists = self.metalink.iter().chain(&self.mirrorlist);
        lists.chain(&self.baseurl).filter_map(|url| {
            let origin = Location::parse(url).ok()?.origin();
            let (_, login) = self.logins.iter().find(|(of, _)| *of == origin)?;
            Some((url.as_str(), login))
        })
    }

    /// Gives a login to the servers that it names.
    ///
    /// # Errors
    /// One line: a URL cannot be read.
    pub(crate) fn use_login(&mut self, login: &BasicLogin) -> Result<(), String> {
        let lists = self.metalink.iter().chain(&self.mirrorlist);
        for url in lists.chain(&self.baseurl) {
            let origin = Location::parse(url)?.origin();
            self.logins.push((origin, login.clone()));
        }
        Ok(())
    }

    /// How it is talked to.
    pub(crate) fn remote(&self) -> RpmRepository {
        RpmRepository {
            base: self.baseurl.clone(),
            metalink: self.metalink.clone(),
            mirrorlist: self.mirrorlist.clone(),
            insecure: self.insecure,
            authority: self.sslcacert.clone(),
            certificate: self.sslclientkey.clone().zip(self.sslclientcert.clone()),
            subscription: self.rhsm,
            logins: self.logins.clone(),
        }
    }
}
