//! Sockets, and who answers on them.
use crate::door::Peer;
use crate::operation;
use axum::Router;
use axum::body::Body;
use futures_util::{StreamExt, stream};
use http_body_util::BodyStream;
use hyper::Request;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use listenfd::ListenFd;
use osbuild_wasm_files::resolve::make_directory;
use rustix::fs::Mode;
use rustix::process::umask;
use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, lchown};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(5);

/// How long a client may be silent in the body of a request.
const SILENCE: Duration = Duration::from_secs(30);

/// How long requests that are under way may take when the service ends.
const DRAIN: Duration = Duration::from_secs(10);

/// A socket in the file system that is listened on; its file goes with this value, if this process made it.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    made: bool,
    silence: Duration,
}

impl Listener {
    /// Makes a socket that its owner and a group can use; root's group if there is no such group. One that a dead process left is
    /// replaced.
    ///
    /// # Errors
    /// Another process listens on it; the file cannot be made.
    pub fn bind(path: &Path, group: Option<u32>) -> io::Result<Self> {
        if Probe::connect(path).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process listens on it",
            ));
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
            _ => {}
        }
        // The mode is there from the first moment, and no path is changed that is a link by then.
        let before = umask(Mode::from_raw_mode(0o117));
        let listener = UnixListener::bind(path);
        umask(before);
        let socket = Self {
            listener: listener?,
            path: path.to_owned(),
            made: true,
            silence: SILENCE,
        };
        if let Some(group) = group {
            lchown(path, None, Some(group))?;
        }
        Ok(socket)
    }

    /// A socket that systemd made.
    ///
    /// # Errors
    /// It is no socket that can be listened on.
    pub fn passed(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            path: address
                .as_pathname()
                .map(Path::to_owned)
                .unwrap_or_default(),
            made: false,
            silence: SILENCE,
        })
    }

    /// The same with another limit of how long a client may be silent in the body of a request.
    #[must_use]
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Where clients find it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers requests until `ended` is true; then those that are under way.
    ///
    /// # Errors
    /// The socket cannot be listened on any longer.
    pub async fn serve(self, router: Router, mut ended: watch::Receiver<bool>) -> io::Result<()> {
        let connections = GracefulShutdown::new();
        loop {
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // All descriptors are taken: some come back.
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                _ = ended.wait_for(|ended| *ended) => break,
            };
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD);
            let (router, silence) = (router.clone(), self.silence);
            let answer = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer::Socket);
                operation::run(
                    router
                        .clone()
                        .oneshot(request.map(|body| patient(body, silence))),
                )
            });
            let connection = server.serve_connection(TokioIo::new(stream), answer);
            // A connection that breaks is its client's business.
            let connection = connections.watch(connection);
            tokio::spawn(async move { drop(connection.await) });
        }
        let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
        Ok(())
    }
}

/// A body that ends with an error when nothing of it comes for too long.
fn patient(body: Incoming, silence: Duration) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    let parts = BodyStream::new(body);
    Body::from_stream(stream::unfold(Some(parts), move |parts| async move {
        let mut parts = parts?;
        match timeout(silence, parts.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame.into_data().unwrap_or_default()), Some(parts))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    }))
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.made {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The sockets that systemd passes to this process, by their names.
#[expect(missing_debug_implementations, reason = "listenfd's type has none")]
pub struct Passed {
    names: Vec<String>,
    descriptors: ListenFd,
}

impl Passed {
    /// Takes them. It is done once in a process.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            names: names.split(':').map(str::to_owned).collect(),
            descriptors: ListenFd::from_env(),
        }
    }

    /// The socket of a name, else a new one at a path, for its owner and a group.
    ///
    /// # Errors
    /// What was passed is no socket; a new one cannot be made.
    pub fn or_socket(
        &mut self,
        name: &str,
        path: &Path,
        group: Option<&str>,
    ) -> io::Result<Listener> {
        let index = self.names.iter().position(|given| given == name);
        if let Some(index) = index
            && let Some(listener) = self.descriptors.take_unix_listener(index)?
        {
            return Listener::passed(listener);
        }
        let failed = |error: io::Error| {
            let text = format!("cannot listen on {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        if let Some(directory) = path.parent() {
            make_directory(directory).map_err(failed)?;
        }
        Listener::bind(path, group.and_then(group_id)).map_err(failed)
    }
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
