//! Sockets, and who answers on them.
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::fs::Mode;
use rustix::process::umask;
use std::io;
use std::os::unix::fs::{FileTypeExt, lchown};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::watch;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(5);

/// How long requests that are under way may take when the service ends.
const DRAIN: Duration = Duration::from_secs(10);

/// A socket in the file system that is listened on; its file goes with this value, if this process made it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    made: Option<PathBuf>,
}

impl Socket {
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
        let made = Some(path.to_owned());
        let socket = Self {
            listener: listener?,
            made,
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
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            made: None,
        })
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
            let connection = server.serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
            // A connection that breaks is its client's business.
            let connection = connections.watch(connection);
            tokio::spawn(async move { drop(connection.await) });
        }
        let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            let _ = std::fs::remove_file(path);
        }
    }
}
