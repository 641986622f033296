//! The control socket: one thread for each session that begins there.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use osbuild_wasm_protocol::{Begin, Connection, ErrorCode, Failure, FrameError, Interface, Reply};

use crate::access::Access;
use crate::failure::{About, invalid};
use crate::scope::Bounds;
use crate::session::Session;

/// A session that runs, and another handle of its socket to end it.
struct Running {
    socket: UnixStream,
    thread: JoinHandle<()>,
}

/// Serves until the runtime closes the control socket or sends something that is no message; then ends all sessions.
pub fn serve(control: &Connection, interface: Interface, bounds: Bounds) {
    let bounds = Arc::new(bounds);
    let mut sessions: Vec<Running> = Vec::new();
    loop {
        let begun = match control.receive::<Begin>() {
            Ok(Some((begin, descriptors))) => {
                begin_session(interface, Arc::clone(&bounds), begin, descriptors)
            }
            Err(FrameError::Malformed(error)) => {
                Err(invalid("", format!("this is no grant: {error}")))
            }
            Ok(None) | Err(_) => break,
        };
        sessions.retain(|session| !session.thread.is_finished());
        let reply = begun.map(|session| sessions.push(session));
        if control.send(&Reply::from(reply), &[]).is_err() {
            break;
        }
    }
    for session in &sessions {
        let _ = session.socket.shutdown(Shutdown::Both);
    }
    for session in sessions {
        let _ = session.thread.join();
    }
}

fn begin_session(
    interface: Interface,
    bounds: Arc<Bounds>,
    begin: Begin,
    descriptors: Vec<OwnedFd>,
) -> Result<Running, Failure> {
    let mut descriptors = descriptors.into_iter();
    let (Some(socket), Some(log)) = (descriptors.next(), descriptors.next()) else {
        return Err(invalid("", "a session begins with its socket and its log"));
    };
    let access = Access::check(bounds, begin.grant, descriptors.collect())?;
    let socket = UnixStream::from(socket);
    let ours = socket.try_clone().about("", "copy the session's socket")?;
    let (ready, begun) = mpsc::channel();
    let work = move || match Session::new(interface, access, ours, log) {
        Ok(session) => {
            let _ = ready.send(Ok(()));
            session.serve();
        }
        Err(failure) => {
            let _ = ready.send(Err(failure));
        }
    };
    let thread = std::thread::Builder::new()
        .name(format!("{interface} session"))
        .spawn(work)
        .about("", "start a session")?;
    begun.recv().unwrap_or_else(|_| {
        Err(Failure::new(
            ErrorCode::Io,
            "",
            "the session's thread ended",
        ))
    })?;
    Ok(Running { socket, thread })
}
