//! The command line.
use clap::{Args, Parser, Subcommand};
use osbuild_wasm_composer::config::{Config, ConfigError, Flag, Value};
use osbuild_wasm_jobs::JobId;
use std::path::{Path, PathBuf};

/// Make images of blueprints, for composer-cli and cockpit
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What is done; the service runs when it is not given
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    serve: Serve,
}

/// What is done besides serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the effective settings and where each comes from, without secrets
    CheckConfig {
        /// File with settings, in place of that of --config
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Tell whether the service is up, and how its queue, workers and files stand
    Status {
        #[command(flatten)]
        form: Form,
    },
    /// List the jobs that are not over, show one or cancel one
    Jobs {
        #[command(subcommand)]
        what: Option<OfJobs>,
        #[command(flatten)]
        form: Form,
    },
    /// List the composes of all tenants, show one or delete one
    Composes {
        #[command(subcommand)]
        what: Option<OfComposes>,
        #[command(flatten)]
        form: Form,
    },
    /// Delete the composes that the settings do not keep
    Gc {
        /// Only say what would be deleted
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Bring the database to this version, which the service also does when it starts
    Migrate {
        /// Only say how far the database is
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        directory: PathBuf,
    },
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Form {
    /// Write JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What is done with jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum OfJobs {
    /// List those that are not over
    List,
    /// Show one
    Show {
        /// Its id
        id: JobId,
    },
    /// Cancel one, with what hangs on it
    Cancel {
        /// Its id
        id: JobId,
    },
}

/// What is done with composes.
#[derive(Debug, Subcommand)]
pub(crate) enum OfComposes {
    /// List all
    List,
    /// Show one
    Show {
        /// Its id
        id: JobId,
    },
    /// Delete one that is over, with its files
    Delete {
        /// Its id
        id: JobId,
    },
}

/// What every command takes, after its name too.
#[derive(Debug, Args)]
struct Common {
    /// File with settings; without it /etc/osbuild-composer/osbuild-composer.toml, if that is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory for blueprints, the queue and images [default: /var/lib/osbuild-wasm-composer]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Directory for what can be downloaded again [default: /var/cache/osbuild-wasm-composer]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Database, `sqlite:PATH` or `postgresql://USER@HOST/DATABASE`; a file in the directory for state when it is not given
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
}

/// What only the service itself takes.
#[derive(Debug, Args)]
struct Serve {
    /// Socket for clients (the Weldr API) [default: /run/weldr/api.socket]
    #[arg(long, value_name = "PATH")]
    weldr_socket: Option<PathBuf>,
    /// Socket for workers on this machine [default: /run/osbuild-wasm-composer/job.socket]
    #[arg(long, value_name = "PATH")]
    worker_socket: Option<PathBuf>,
    /// Directory with definitions of distributions, which come before those of the program; may be given several times
    #[arg(long, value_name = "DIR")]
    definitions: Vec<PathBuf>,
    /// Directory with repositories of distributions (DISTRO.json), which take the place of the program's own
    #[arg(long, value_name = "DIR")]
    repositories: Option<PathBuf>,
    /// Distribution of blueprints that name none; this machine's when it is not given
    #[arg(long, value_name = "NAME")]
    distro: Option<String>,
    /// Start no worker: others build
    #[arg(long)]
    no_worker: bool,
}

impl Arguments {
    /// The settings, those of the command line before all others.
    ///
    /// # Errors
    /// A setting does not exist or cannot be used.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let Self { common, serve, .. } = self;
        let file = match &self.command {
            Some(Command::CheckConfig { file: Some(file) }) => Some(file),
            _ => common.config.as_ref(),
        };
        let path = |path: &Option<PathBuf>| path.as_deref().map(text);
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| text(path)).collect();
        let one = [
            ("state", "state", path(&common.state)),
            ("cache", "cache", path(&common.cache)),
            ("database", "database", common.database.clone()),
            ("weldr-socket", "weldr_socket", path(&serve.weldr_socket)),
            ("worker-socket", "worker_socket", path(&serve.worker_socket)),
            ("repositories", "repositories", path(&serve.repositories)),
            ("distro", "distro", serve.distro.clone()),
        ];
        let definitions: Vec<String> = paths(&serve.definitions);
        let flag = |option, key, value| Flag { option, key, value };
        let one = one
            .into_iter()
            .filter_map(|(option, key, text)| Some(flag(option, key, Value::String(text?))));
        let definitions = (!definitions.is_empty())
            .then(|| flag("definitions", "definitions", definitions.into()));
        let no_worker = flag("no-worker", "builtin_worker", Value::Boolean(false));
        let no_worker = serve.no_worker.then_some(no_worker);
        let flags = one.chain(definitions).chain(no_worker).collect();
        let variable = |name: &str| std::env::var(name).ok();
        Config::load(file.map(PathBuf::as_path), &variable, flags)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
