//! The runtime's side: one session and its calls.

use std::fmt::Display;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calls::{Call, Request};
use crate::frame::Connection;
use crate::message::{ErrorCode, Failure, Interface, Ran, Reply};

/// How long dropping a session waits for the release of what it holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// One stage's use of a helper. Calls of one session happen one after another. Dropping it releases everything that it holds and
/// waits for that; [`Session::end`] says whether it worked.
#[derive(Debug)]
pub struct Session {
    interface: Interface,
    connection: Arc<Connection>,
    turn: Mutex<()>,
}

/// Cancels a session from another thread.
#[derive(Clone, Debug)]
pub struct CancelHandle(Arc<Connection>);

impl CancelHandle {
    /// Kills what the session runs and makes its calls fail with `interrupted`; they return when everything is released.
    pub fn cancel(&self) {
        // Only our sending side: the end of what the helper sends is how its release is seen.
        let _ = self.0.socket().shutdown(Shutdown::Write);
    }
}

pub(crate) fn broken(interface: Interface, error: &dyn Display) -> Failure {
    Failure::new(
        ErrorCode::Io,
        "",
        format!("lost the {interface} helper: {error}"),
    )
}

impl Session {
    pub(crate) fn new(interface: Interface, socket: UnixStream) -> Self {
        Self {
            interface,
            connection: Arc::new(socket.into()),
            turn: Mutex::new(()),
        }
    }

    /// What the helper of this session serves.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// For cancelling from another thread.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(Arc::clone(&self.connection))
    }

    /// Cancels this session, see [`CancelHandle::cancel`].
    pub fn cancel(&self) {
        self.cancel_handle().cancel();
    }

    /// Releases everything in reverse order, waits for it, and tells the programs that the helper ran of its own accord.
    ///
    /// # Errors
    /// The first release that failed, e.g. because data did not reach the disk.
    pub fn end(self) -> Result<Vec<Ran>, Failure> {
        self.send(&Request::End, &[])
    }

    /// Makes a call, with the descriptors that it comes with, and waits for its answer.
    ///
    /// # Errors
    /// As the interface says; `interrupted` when the session was cancelled.
    pub fn call<C: Call>(
        &self,
        call: C,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<C::Reply, Failure> {
        self.send(&call.into(), descriptors)
    }

    /// Makes a call of any kind; its answer is the [`Call::Reply`] of that kind.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn answer(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Value, Failure> {
        self.send(request, descriptors)
    }

    fn send<T: DeserializeOwned>(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<T, Failure> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let interrupted = || Failure::new(ErrorCode::Interrupted, "", "the session was cancelled");
        if let Err(error) = self.connection.send(request, descriptors) {
            return Err(match error {
                crate::FrameError::TooLarge(_) => {
                    Failure::new(ErrorCode::NoSpace, "", error.to_string())
                }
                crate::FrameError::Io(_) => interrupted(),
                _ => broken(self.interface, &error),
            });
        }
        match self.connection.receive::<Reply<T>>() {
            Ok(Some((reply, _))) => reply.into(),
            Ok(None) => Err(interrupted()),
            Err(error) => Err(broken(self.interface, &error)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let socket = self.connection.socket();
        let _ = socket.shutdown(Shutdown::Write);
        let _ = socket.set_read_timeout(Some(PATIENCE));
        // The helper closes its end when everything is released.
        let _ = std::io::copy(&mut &*socket, &mut std::io::sink());
    }
}
