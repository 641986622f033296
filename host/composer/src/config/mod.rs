//! What the service is told of this machine: where things are, whom it serves, who may come in.
//!
//! A file has the words of `osbuild-composer.toml`, and a table of our own. Unknown names and values of a wrong type are refused.
mod duration;
mod keys;
mod layers;
mod read;
mod show;

pub use layers::{ConfigError, Flag};
pub use toml::Value;

use crate::catalogue::Places;
use crate::service::DeniedTypes;
use crate::service::{Quota, Retention};
use crate::telemetry::log::LogFormat;
use layers::Settings;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// Where the settings are when nobody names another file.
pub const FILE: &str = "/etc/osbuild-composer/osbuild-composer.toml";

/// The settings of the service.
#[derive(Clone)]
pub struct Config {
    settings: Settings,
    /// The lowest level of the log: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: LevelFilter,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Another program that finds packages.
    pub solver: Option<PathBuf>,
    /// Whether the service starts without any repository.
    pub ignore_missing_repos: bool,
    /// Who may talk to the cloud API over the network.
    pub cloud: Door,
    /// Who may talk to the worker API over the network.
    pub workers: Door,
    /// How long a worker's request for a job waits; until there is one without it.
    pub job_patience: Option<Duration>,
    /// After which silence a worker is forgotten.
    pub worker_silence: Duration,
    /// The path of the worker API.
    pub worker_path: String,
    /// Whether workers may send files.
    pub artefacts_enabled: bool,
    /// The image types that the Weldr API does not have.
    pub denied: DeniedTypes,
    /// Other names of distributions.
    pub aliases: BTreeMap<String, String>,
    /// The socket for clients of the Weldr API.
    pub weldr_socket: PathBuf,
    /// The socket for clients of the cloud API.
    pub cloud_socket: PathBuf,
    /// The socket for workers on this machine.
    pub worker_socket: PathBuf,
    /// The directory for blueprints, the queue and images.
    pub state: PathBuf,
    /// The directory for what can be downloaded again.
    pub cache: PathBuf,
    /// The URL of the database. It may have a password in it.
    pub database: String,
    /// The largest number of connections to a database of PostgreSQL.
    pub connections: u32,
    /// Directories with definitions of distributions, the first before the others.
    pub definitions: Vec<PathBuf>,
    /// The directory with repositories of distributions, in place of the program's own.
    pub repositories: Option<PathBuf>,
    /// The distribution of blueprints that name none; this machine's when there is none.
    pub distro: Option<String>,
    /// The address for metrics and health; nothing listens without one.
    pub metrics_listen: Option<SocketAddr>,
    /// How long composes are kept.
    pub retention: Retention,
    /// How often composes that need not be kept are looked for.
    pub retention_interval: Duration,
    /// A job whose worker was silent for longer goes back to the queue.
    pub job_silence: Duration,
    /// How many composes a tenant may have.
    pub quota: Quota,
    /// Whether a worker is started with the service.
    pub builtin_worker: bool,
}

/// Settings have secrets among them.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

/// Who may come in over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// The table of its settings, for errors.
    pub table: &'static str,
    /// The addresses that are listened on.
    pub listen: Vec<SocketAddr>,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The file of the server's certificates (PEM).
    pub certificate: PathBuf,
    /// The file of the key of the first of them (PEM).
    pub key: PathBuf,
    /// Which certificates clients need.
    pub clients: Option<ClientCertificates>,
    /// Which tokens clients need.
    pub tokens: Option<Tokens>,
}

/// Which certificates come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The file of authorities (PEM); the system's without one.
    pub ca: Option<PathBuf>,
    /// The hosts whose certificates come in.
    pub allowed: Vec<String>,
}

/// Which tokens come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Where the keys of issuers are (JWKS).
    pub keys: Vec<String>,
    /// The file of authorities for these servers (PEM); the system's without one.
    pub ca: Option<PathBuf>,
    /// The file of those who come in; all whose token is valid without one.
    pub acl: Option<PathBuf>,
    /// The claims that name a tenant, in the order in which they are looked for; no tenants without any.
    pub tenants: Vec<String>,
}

impl Config {
    /// Reads the settings: of a file, of the environment, of the command line. Without `file` the usual one is read if it is there.
    ///
    /// # Errors
    /// The file cannot be read; a setting does not exist or cannot be used.
    pub fn load(
        file: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
        flags: Vec<Flag>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Settings::defaults();
        settings.add_file(file.unwrap_or(Path::new(FILE)), file.is_some())?;
        settings.add_environment(environment)?;
        settings.add_flags(flags);
        read::config(settings)
    }

    /// The effective settings as a TOML document that says where each comes from, without secrets.
    #[must_use]
    pub fn shown(&self) -> String {
        show::shown(&self.settings)
    }

    /// The directory for what jobs leave.
    #[must_use]
    pub fn artefacts(&self) -> PathBuf {
        self.state.join("artifacts")
    }

    /// Where the catalogue of distributions looks.
    #[must_use]
    pub fn places(&self) -> Places {
        Places {
            definitions: self.definitions.clone(),
            repositories: self.repositories.clone(),
            cache: self.cache.join("rpmmd"),
            distro: self.distro.clone(),
            aliases: self.aliases.clone(),
            solver: self.solver.clone(),
            may_lack_repositories: self.ignore_missing_repos,
        }
    }
}
