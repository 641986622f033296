//! The runtime's side: a helper process.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::charter::Charter;
use crate::frame::{Connection, MAX_DESCRIPTORS};
use crate::grant::Granted;
use crate::message::{Begin, ErrorCode, Failure, Hello, Interface, Reply, VERSION};
use crate::session::{Session, broken};

/// How long a helper may take to release everything before it is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running helper process. Dropping it ends the process after its sessions are released.
#[derive(Debug)]
pub struct Client {
    interface: Interface,
    control: Mutex<Connection>,
    child: Child,
}

impl Client {
    /// Starts `program` for one interface; none of its sessions will get more than the charter has.
    ///
    /// # Errors
    /// When the program cannot be started, is of another version, or says that it cannot serve here.
    pub fn spawn(program: &Path, interface: Interface, charter: &Charter) -> Result<Self, Failure> {
        let start = |error: std::io::Error| {
            let name = program.display().to_string();
            Failure::new(
                ErrorCode::MissingTool,
                name,
                format!("cannot start the {interface} helper: {error}"),
            )
        };
        let (ours, theirs) = UnixStream::pair().map_err(start)?;
        let mut command = Command::new(program);
        command
            .arg(interface.as_str())
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null());
        // Out of the terminal's foreground group: an interrupt there is for the runtime, which cancels in order.
        command.process_group(0);
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        command.args(charter.words());
        let child = command.spawn().map_err(start)?;
        drop(command); // Holds the helper's end of the socket.
        let client = Self {
            interface,
            control: Mutex::new(ours.into()),
            child,
        };
        client.greet()?;
        Ok(client)
    }

    /// What this helper serves.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    fn greet(&self) -> Result<(), Failure> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let hello: Result<Hello, Failure> = answer(&control, self.interface)?;
        let hello = hello?;
        if (hello.version, hello.interface) != (VERSION, self.interface) {
            let detail = format!(
                "the helper speaks version {} for {}, wanted is version {VERSION} for {}: install runtime and helper of one version",
                hello.version, hello.interface, self.interface
            );
            return Err(Failure::new(
                ErrorCode::Unsupported,
                "osbuild-wasm-helper",
                detail,
            ));
        }
        Ok(())
    }

    /// Begins a session. What its tools print goes to `log` as it comes; when that is a pipe, the other end must be read all the time or the
    /// tools stand still. All copies of it are closed when the session has ended.
    ///
    /// # Errors
    /// When the helper refuses the grant or is gone.
    pub fn begin(&self, granted: &Granted, log: OwnedFd) -> Result<Session, Failure> {
        let lost = |error: &dyn std::fmt::Display| broken(self.interface, error);
        let (ours, theirs) = UnixStream::pair().map_err(|error| lost(&error))?;
        let begin = Begin {
            grant: granted.grant.clone(),
        };
        let files = granted.files.iter().map(|file| file.as_fd());
        let files: Vec<_> = [theirs.as_fd(), log.as_fd()]
            .into_iter()
            .chain(files)
            .collect();
        if files.len() > MAX_DESCRIPTORS {
            let detail = format!(
                "a stage has too many inputs, devices and mounts: {} of {MAX_DESCRIPTORS} descriptors",
                files.len()
            );
            return Err(Failure::new(ErrorCode::NoSpace, "", detail));
        }
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.send(&begin, &files).map_err(|error| lost(&error))?;
        answer::<()>(&control, self.interface)??;
        Ok(Session::new(self.interface, ours))
    }
}

fn answer<T: serde::de::DeserializeOwned>(
    control: &Connection,
    interface: Interface,
) -> Result<Result<T, Failure>, Failure> {
    match control.receive::<Reply<T>>() {
        Ok(Some((reply, _))) => Ok(reply.into()),
        Ok(None) => Err(broken(interface, &"the helper ended")),
        Err(error) => Err(broken(interface, &error)),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let control = self
            .control
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let _ = control.socket().shutdown(std::net::Shutdown::Both);
        if !ended_within(&self.child, PATIENCE) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Waits for the end of a child without reaping it.
fn ended_within(child: &Child, limit: Duration) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    let limit = Timespec {
        tv_sec: limit.as_secs() as i64,
        tv_nsec: 0,
    };
    let ended =
        rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)));
    ended.is_ok_and(|count| count > 0)
}
