//! The command line.
use clap::{Args, Parser, Subcommand};
use osbuild_wasm_composer::config::Config;
use std::path::PathBuf;

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
pub(crate) enum Command {}

/// What every command takes, after its name too.
#[derive(Debug, Args)]
struct Common {
    /// Directory for blueprints, the queue and images
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/var/lib/osbuild-wasm-composer"
    )]
    state: PathBuf,
    /// Database, `sqlite:PATH` or `postgresql://USER@HOST/DATABASE`; a file in the directory for state when it is not given
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
}

/// What only the service itself takes.
#[derive(Debug, Args)]
struct Serve {
    /// Socket for clients (the Weldr API)
    #[arg(long, value_name = "PATH", default_value = "/run/weldr/api.socket")]
    weldr_socket: PathBuf,
    /// Socket for workers on this machine
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/osbuild-wasm-composer/job.socket"
    )]
    worker_socket: PathBuf,
    /// Directory for what can be downloaded again
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/cache/osbuild-wasm-composer"
    )]
    cache: PathBuf,
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
    /// The settings that they make.
    pub(crate) fn config(self) -> Config {
        let Self { common, serve, .. } = self;
        Config {
            weldr_socket: serve.weldr_socket,
            worker_socket: serve.worker_socket,
            state: common.state,
            cache: serve.cache,
            database: common.database,
            definitions: serve.definitions,
            repositories: serve.repositories,
            distro: serve.distro,
            builtin_worker: !serve.no_worker,
        }
    }
}
