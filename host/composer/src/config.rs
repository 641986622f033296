//! What the service is told of this machine: where things are, and whom it serves.
use crate::catalogue::Places;
use std::path::PathBuf;

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
    /// The socket for clients of the Weldr API.
    pub weldr_socket: PathBuf,
    /// The socket for workers on this machine.
    pub worker_socket: PathBuf,
    /// The directory for blueprints, the queue and images.
    pub state: PathBuf,
    /// The directory for what can be downloaded again.
    pub cache: PathBuf,
    /// The URL of the database; a file in the directory for state when there is none.
    pub database: Option<String>,
    /// Directories with definitions of distributions, the first before the others.
    pub definitions: Vec<PathBuf>,
    /// The directory with repositories of distributions, in place of the program's own.
    pub repositories: Option<PathBuf>,
    /// The distribution of blueprints that name none; this machine's when there is none.
    pub distro: Option<String>,
    /// Whether a worker is started with the service.
    pub builtin_worker: bool,
}

impl Config {
    /// The URL of the database.
    #[must_use]
    pub fn database(&self) -> String {
        let file = || format!("sqlite:{}", self.state.join("composer.db").display());
        self.database.clone().unwrap_or_else(file)
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
        }
    }
}
