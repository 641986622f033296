//! `osbuild-wasm-composer`: a service that makes images of blueprints, for the clients of osbuild-composer.
#![forbid(unsafe_code)]
use clap::Parser;
use osbuild_wasm_composer::catalogue::{Catalogue, Places};
use osbuild_wasm_composer::listen::Socket;
use osbuild_wasm_composer::log::say;
use osbuild_wasm_composer::service::{Artefacts, Service};
use osbuild_wasm_composer::{builtin, weldr, workers};
use osbuild_wasm_files::resolve::{make_directory, make_private_directory};
use osbuild_wasm_jobs::{JobQueue, Limits, SystemClock};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often silent workers are looked for.
const RECONCILE: Duration = Duration::from_secs(30);

/// The group that may use the socket for clients.
const GROUP: &str = "weldr";

/// Make images of blueprints, for composer-cli and cockpit
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
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
    /// Directory for blueprints, the queue and images
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/osbuild-wasm-composer"
    )]
    state: PathBuf,
    /// Directory for what can be downloaded again
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/cache/osbuild-wasm-composer"
    )]
    cache: PathBuf,
    /// Database, `sqlite:PATH` or `postgresql://USER@HOST/DATABASE`; a file in the directory for state when it is not given
    #[arg(long, value_name = "URL")]
    database: Option<String>,
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

fn main() -> ExitCode {
    let run = || -> Result<(), Box<dyn Error>> {
        let arguments = Arguments::parse();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(serve(arguments))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!(
                "error: {}",
                osbuild_wasm_files::with_causes(&*error)
            ));
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    for directory in [&arguments.state, &arguments.cache] {
        make_private_directory(directory).map_err(|error| cannot_make(directory, &error))?;
    }
    let service = service(&arguments).await?;
    let (weldr_socket, worker_socket) = sockets(&arguments)?;
    service.sweep().await?;
    let (end, ended) = watch::channel(false);
    let weldr = weldr_socket.serve(weldr::router(service.clone()), ended.clone());
    let workers = worker_socket.serve(
        workers::router(service.clone(), workers::Options::default()),
        ended.clone(),
    );
    if !arguments.no_worker {
        builtin::start(&arguments.worker_socket, &arguments.cache.join("worker"));
    }
    say(&format!("clients: {}", arguments.weldr_socket.display()));
    say(&format!("workers: {}", arguments.worker_socket.display()));
    let reconciler = tokio::spawn(reconcile(service));
    let (weldr, workers, ()) = tokio::join!(weldr, workers, end_at_signal(end));
    reconciler.abort();
    Ok(weldr.and(workers)?)
}

async fn service(arguments: &Arguments) -> Result<Service, Box<dyn Error>> {
    let file = || format!("sqlite:{}", arguments.state.join("composer.db").display());
    let database = arguments.database.clone().unwrap_or_else(file);
    let store = osbuild_wasm_jobs::open(&database, 16).await?;
    let clock = Arc::new(SystemClock);
    let queue = JobQueue::new(store, clock.clone(), Limits::default());
    let catalogue = Catalogue::load(Places {
        definitions: arguments.definitions.clone(),
        repositories: arguments.repositories.clone(),
        cache: arguments.cache.join("rpmmd"),
        distro: arguments.distro.clone(),
    })?;
    let artefacts = Artefacts::open(arguments.state.join("artifacts")).await?;
    Ok(Service::new(queue, Arc::new(catalogue), artefacts, clock))
}

/// The sockets of clients and of workers: those that systemd passes by these names, else new ones.
fn sockets(arguments: &Arguments) -> Result<(Socket, Socket), Box<dyn Error>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = listenfd::ListenFd::from_env();
    let mut socket = |name, path: &Path, group| -> Result<Socket, Box<dyn Error>> {
        let index = names.split(':').position(|given| given == name);
        if let Some(index) = index
            && let Some(listener) = passed.take_unix_listener(index)?
        {
            return Ok(Socket::passed(listener)?);
        }
        if let Some(directory) = path.parent() {
            make_directory(directory).map_err(|error| cannot_make(directory, &error))?;
        }
        Socket::bind(path, group)
            .map_err(|error| format!("cannot listen on {}: {error}", path.display()).into())
    };
    let weldr = socket("weldr", &arguments.weldr_socket, group_id(GROUP))?;
    Ok((weldr, socket("worker", &arguments.worker_socket, None)?))
}

/// The number of a group, if there is one of that name.
fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let mut entries = groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    entries.find_map(|entry| match &entry[..] {
        [group, _, id, ..] if *group == name => id.parse().ok(),
        _ => None,
    })
}

fn cannot_make(directory: &Path, error: &std::io::Error) -> String {
    format!("cannot make {}: {error}", directory.display())
}

async fn reconcile(service: Service) {
    loop {
        match service.reconcile().await {
            Ok(expired) => {
                for (job, _) in &expired.requeued {
                    say(&format!(
                        "warning: job {job} goes back to the queue: its worker is silent"
                    ));
                }
                for (job, _) in &expired.failed {
                    say(&format!(
                        "warning: job {job} failed: its workers fell silent too often"
                    ));
                }
            }
            Err(error) => say(&format!(
                "warning: {}",
                osbuild_wasm_files::with_causes(&error)
            )),
        }
        tokio::time::sleep(RECONCILE).await;
    }
}

async fn end_at_signal(end: watch::Sender<bool>) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    }
    end.send_replace(true);
}
