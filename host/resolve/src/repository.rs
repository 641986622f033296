//! A repository as files and distributions describe it.
use osbuild_wasm_source::RpmRepository;
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
        }
    }
}
