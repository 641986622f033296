//! One session: its requests, one after another, and what it holds.

use std::cell::{OnceCell, RefCell};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use osbuild_wasm_protocol::{
    Connection, Detach, ErrorCode, Failure, FrameError, Handle, Interface, Ran, Reply, Request,
    Unmount,
};
use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::cgroup::Group;
use crate::failure::{denied, invalid};
use crate::{
    command, crypt, ddi, grub, loopback, lvm, machine, mount, network, qemu_img, rpm, shell, tree,
};

/// Something that must be released: an attached device, a mount.
pub trait Resource: Send {
    /// Releases it and says whether all data got where it belongs.
    fn release(self: Box<Self>, session: &Session) -> Result<(), Failure>;
}

/// A session's state.
pub struct Session {
    pub interface: Interface,
    pub access: Access,
    pub log: OwnedFd,
    pub connection: Connection,
    /// Whether the runner has prepared the scratch directory.
    pub prepared: bool,
    /// The control group of its programs, made with the first one.
    pub group: OnceCell<Option<Group>>,
    /// The way to the proxy, if granted.
    pub network: Option<network::Forwarder>,
    /// What was run of our own accord.
    pub ran: RefCell<Vec<Ran>>,
    resources: Vec<(Handle, Box<dyn Resource>)>,
    next: u64,
}

impl Session {
    /// Begins a session on the calling thread, which is limited to what the session may do.
    pub fn new(
        interface: Interface,
        access: Access,
        socket: UnixStream,
        log: OwnedFd,
    ) -> Result<Self, Failure> {
        let mut network = None;
        if matches!(
            interface,
            Interface::Rpm | Interface::Grub | Interface::QemuImg | Interface::Command
        ) {
            network = network::isolate(&access)?;
        }
        let connection = Connection::from(socket);
        Ok(Self {
            interface,
            access,
            log,
            connection,
            prepared: false,
            group: OnceCell::new(),
            network,
            ran: RefCell::default(),
            resources: Vec::new(),
            next: 1,
        })
    }

    /// Answers requests until the runtime closes its side; releases everything before this side is closed.
    pub fn serve(mut self) {
        loop {
            let (ends, reply) = match self.connection.receive::<Request>() {
                Ok(Some((request, descriptors))) => (
                    matches!(request, Request::End),
                    self.answer(request, descriptors),
                ),
                Err(FrameError::Malformed(error)) => (
                    false,
                    Err(invalid("", format!("this is no request: {error}"))),
                ),
                Ok(None) | Err(_) => break,
            };
            if self.connection.send(&Reply::from(reply), &[]).is_err() || ends {
                break;
            }
        }
        let _ = self.release_all();
        let _ = self.connection.socket().shutdown(Shutdown::Both);
    }

    fn answer(&mut self, request: Request, files: Vec<OwnedFd>) -> Result<Value, Failure> {
        if !request.interfaces().contains(&self.interface) {
            let detail = format!("this helper serves {} and nothing else", self.interface);
            return Err(denied("", detail));
        }
        match request {
            Request::Attach(call) => {
                value(of(files).and_then(|file| loopback::attach(self, &call, file)))
            }
            Request::OpenCrypt(call) => value(crypt::open(self, &call)),
            Request::ActivateVolume(call) => value(lvm::activate(self, &call)),
            Request::MountImage(call) => value(ddi::mount(self, &call)),
            Request::Detach(Detach(handle)) | Request::Unmount(Unmount(handle)) => {
                value(self.release(handle))
            }
            Request::BindMount(call) => value(mount::bind(self, &call)),
            Request::Deployment(call) => value(mount::deployment(self, &call)),
            Request::Mount(call) => value(mount::mount(self, &call)),
            Request::MountDirectory(call) => {
                value(of(files).and_then(|files| mount::mount_directory(self, &call, files)))
            }
            Request::ImportKey(call) => value(rpm::import_key(self, &call)),
            Request::Verify(call) => value(rpm::verify(self, &call, files)),
            Request::Install(call) => value(rpm::install(self, &call, files)),
            Request::Query(call) => value(rpm::query(self, &call)),
            Request::CoreImage(call) => value(grub::core_image(self, &call)),
            Request::BootImage(call) => value(grub::boot_image(self, &call.platform)),
            Request::EnvironmentBlock(call) => value(grub::environment_block(&call.variables)),
            Request::Conversion(call) => {
                value(of(files).and_then(|files| qemu_img::convert(self, &call, files)))
            }
            Request::Create(call) => {
                value(of(files).and_then(|files| qemu_img::create(self, &call, files)))
            }
            Request::Info(call) => {
                value(of(files).and_then(|image| qemu_img::info(self, &call, image)))
            }
            Request::Run(call) => value(command::run(self, &call, files)),
            Request::Shell(call) => {
                value(of(files).and_then(|streams| shell::run(self, &call, streams)))
            }
            Request::XattrValue(call) => {
                value(of(files).and_then(|object| tree::set(&self.access, &call, object)))
            }
            Request::Trusted(call) => {
                value(of(files).and_then(|object| tree::trusted(&self.access, &call, object)))
            }
            Request::Boot(call) => {
                value(of(files).and_then(|output| machine::boot(self, &call, output)))
            }
            Request::End => value(self.release_all().map(|()| self.ran.take())),
        }
    }

    /// Keeps something until it is released by its handle or with the session.
    pub fn hold(&mut self, resource: Box<dyn Resource>) -> Handle {
        let handle = Handle(self.next);
        self.next += 1;
        self.resources.push((handle, resource));
        handle
    }

    fn release(&mut self, handle: Handle) -> Result<(), Failure> {
        let position = self
            .resources
            .iter()
            .position(|(known, _)| *known == handle);
        let position =
            position.ok_or_else(|| invalid("", "the session does not hold this any more"))?;
        self.resources.remove(position).1.release(self)
    }

    /// Releases everything in reverse order; returns the first failure.
    fn release_all(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        while let Some((_, resource)) = self.resources.pop() {
            result = result.and(resource.release(self));
        }
        result
    }
}

/// The descriptors of a call that comes with so many.
fn of<const COUNT: usize>(files: Vec<OwnedFd>) -> Result<[OwnedFd; COUNT], Failure> {
    let wrong = |files: Vec<OwnedFd>| {
        let detail = format!(
            "this call comes with {COUNT} descriptors, not {}",
            files.len()
        );
        invalid("", detail)
    };
    files.try_into().map_err(wrong)
}

fn value<T: Serialize>(result: Result<T, Failure>) -> Result<Value, Failure> {
    let broken = |error: serde_json::Error| {
        Failure::new(
            ErrorCode::Io,
            "",
            format!("cannot write the answer: {error}"),
        )
    };
    result.and_then(|value| serde_json::to_value(value).map_err(broken))
}
