//! The service as a process: what it opens, what listens, and until when.
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::door::Gate;
use crate::listen::{Listener, Passed};
use crate::service::{Artefacts, Retention, Service};
use crate::telemetry::{self, Metrics, observed};
use crate::{builtin, weldr, workers};
use axum::Router;
use futures_util::future::try_join_all;
use osbuild_wasm_files::resolve::make_private_directory;
use osbuild_wasm_jobs::{JobQueue, Limits, SystemClock};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How often silent workers are looked for, unless jobs are taken from them sooner.
const RECONCILE: Duration = Duration::from_secs(30);

/// The shortest time between two such looks.
const SHORTEST: Duration = Duration::from_secs(1);

/// The group that may use the socket for clients.
const GROUP: &str = "weldr";

/// What listens, with who answers there, and what is done meanwhile.
#[derive(Debug, Default)]
pub struct Server {
    doors: Vec<(Listener, Router)>,
    meanwhile: JoinSet<()>,
    metrics: Metrics,
}

impl Server {
    /// A server that counts requests here.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            ..Self::default()
        }
    }

    /// Has these routes answer on a listener. The log tells for whom it is, and where.
    pub fn add(&mut self, whom: &str, listener: Listener, router: Router) {
        info!("{whom}: {listener}");
        self.doors
            .push((listener, observed(router, self.metrics.clone())));
    }

    /// Does something until the service ends.
    pub fn meanwhile(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.meanwhile.spawn(task);
    }

    /// Serves until this process is told to end; requests that are under way are answered then.
    ///
    /// # Errors
    /// A listener cannot be listened on any longer.
    pub async fn run(self) -> io::Result<()> {
        let (end, ended) = watch::channel(false);
        let doors = self.doors.into_iter();
        let doors =
            try_join_all(doors.map(|(listener, router)| listener.serve(router, ended.clone())));
        let mut meanwhile = self.meanwhile;
        let serve = async { tokio::join!(doors, end_at_signal(end)).0 };
        tokio::select! {
            doors = serve => doors.map(drop),
            // They do not end by themselves: without them jobs of dead workers would stay theirs.
            Some(ended) = meanwhile.join_next() => Err(match ended {
                Ok(()) => io::Error::other("a task of the service ended"),
                Err(error) => io::Error::other(error),
            }),
        }
    }
}

/// The service over the database and the directories of a configuration.
///
/// # Errors
/// A directory cannot be made; the database cannot be used; definitions cannot be read.
pub async fn open(config: &Config) -> Result<Service, Box<dyn Error>> {
    for directory in [&config.state, &config.cache] {
        make_private_directory(directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    }
    let store = osbuild_wasm_jobs::open(&config.database, config.connections).await?;
    let clock = Arc::new(SystemClock);
    let limits = Limits {
        worker_silence: config.worker_silence.try_into()?,
        job_silence: config.job_silence.try_into()?,
        ..Limits::default()
    };
    let queue = JobQueue::new(store, clock.clone(), limits);
    let catalogue = Catalogue::load(config.places())?;
    let artefacts = Artefacts::open(config.artefacts()).await?;
    let service = Service::new(queue, Arc::new(catalogue), artefacts, clock);
    Ok(service.with_quota(config.quota))
}

/// Runs the service until this process is told to end.
///
/// # Errors
/// Those of [`open`]; a socket cannot be made or listened on.
pub async fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    take_all_descriptors();
    let service = open(config).await?;
    let options = workers::Options {
        base: config.worker_path.clone(),
        patience: config.job_patience,
        artefacts: config.artefacts_enabled,
    };
    let mut passed = Passed::take();
    let mut server = Server::new(service.metrics().clone());
    server.add(
        "clients",
        passed.or_socket("weldr", &config.weldr_socket, Some(GROUP))?,
        weldr::router(service.clone(), config.denied.clone()),
    );
    let worker_socket = passed.or_socket("worker", &config.worker_socket, None)?;
    // systemd's socket may have another path than that of the settings.
    let worker_path = worker_socket.path().to_owned();
    server.add(
        "workers",
        worker_socket,
        workers::router(service.clone(), options, Gate::Local),
    );
    service.sweep().await?;
    if config.builtin_worker {
        builtin::start(
            &worker_path,
            &config.worker_path,
            &config.cache.join("worker"),
        );
    }
    if let Some(address) = config.metrics_listen {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        info!("metrics: http://{}", listener.local_addr()?);
        let router = telemetry::router(service.clone());
        // It ends with this process only.
        server.meanwhile(async move { drop(axum::serve(listener, router).await) });
    }
    let (retention, interval) = (config.retention, config.retention_interval);
    server.meanwhile(retire(service.clone(), retention, interval));
    server.meanwhile(service.clone().make_manifests());
    let interval = (config.job_silence / 4).clamp(SHORTEST, RECONCILE);
    server.meanwhile(reconcile(service, interval));
    Ok(server.run().await?)
}

/// A client takes a descriptor for as long as it likes: as many as this process may have.
fn take_all_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer, fewer clients are served at a time.
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn reconcile(service: Service, interval: Duration) {
    loop {
        if let Err(error) = service.reconcile().await {
            warn!("{}", osbuild_wasm_files::with_causes(&error));
        }
        tokio::time::sleep(interval).await;
    }
}

async fn retire(service: Service, retention: Retention, interval: Duration) {
    loop {
        if let Err(error) = service.retire(&retention, false).await {
            warn!("{}", osbuild_wasm_files::with_causes(&error));
        }
        tokio::time::sleep(interval.max(RECONCILE)).await;
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
