//! One session: its requests, one after another, and what it holds.

use std::cell::{OnceCell, RefCell};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use osbuild_wasm_protocol::{
    BootImage, Connection, Detach, ErrorCode, Failure, FrameError, Handle, Interface, Ran, Reply,
    Request, Unmount,
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
pub trait Held: Send {
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
    held: Vec<(Handle, Box<dyn Held>)>,
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
            held: Vec::new(),
            next: 1,
        })
    }

    /// Answers requests until the runtime closes its side; releases everything before this side is closed.
    pub fn serve(mut self) {
        loop {
            let reply = match self.connection.receive::<Request>() {
                Ok(Some((Request::End, _))) => {
                    let released = self.release_all().map(|()| self.ran.take());
                    let _ = self.connection.send(&Reply::from(released), &[]);
                    break;
                }
                Ok(Some((request, descriptors))) => self.answer(request, descriptors),
                Err(FrameError::Malformed(error)) => {
                    Err(invalid("", format!("this is no request: {error}")))
                }
                Ok(None) | Err(_) => break,
            };
            if self.connection.send(&Reply::from(reply), &[]).is_err() {
                break;
            }
        }
        let _ = self.release_all();
        let _ = self.connection.socket().shutdown(Shutdown::Both);
    }

    fn answer(&mut self, request: Request, files: Vec<OwnedFd>) -> Result<Value, Failure> {
        use Interface::{
            Command, Crypt, Ddi, Grub, Loopback, Lvm, Machine, Mount, QemuImg, Rpm, Tree,
        };
        match (self.interface, request) {
            (Loopback, Request::Attach(attach)) => {
                value(of(files).and_then(|file| loopback::attach(self, &attach, file)))
            }
            (Crypt, Request::OpenCrypt(open)) => value(crypt::open(self, &open)),
            (Lvm, Request::ActivateVolume(activate)) => value(lvm::activate(self, &activate)),
            (Ddi, Request::MountImage(image)) => value(ddi::mount(self, &image)),
            (Loopback | Crypt | Lvm, Request::Detach(Detach(handle)))
            | (Mount | Ddi, Request::Unmount(Unmount(handle))) => value(self.release(handle)),
            (Mount, Request::BindMount(bind)) => value(mount::bind(self, &bind)),
            (Mount, Request::Deployment(deployment)) => value(mount::deployment(self, &deployment)),
            (Mount, Request::Mount(mount)) => value(mount::mount(self, &mount)),
            (Mount, Request::MountDirectory(mount)) => {
                value(of(files).and_then(|files| mount::mount_directory(self, &mount, files)))
            }
            (Rpm, Request::ImportKey(import)) => value(rpm::import_key(self, &import)),
            (Rpm, Request::Verify(verify)) => value(rpm::verify(self, &verify, files)),
            (Rpm, Request::Install(install)) => value(rpm::install(self, &install, files)),
            (Rpm, Request::Query(query)) => value(rpm::query(self, &query)),
            (Grub, Request::CoreImage(core)) => value(grub::core_image(self, &core)),
            (Grub, Request::BootImage(BootImage(platform))) => {
                value(grub::boot_image(self, &platform))
            }
            (Grub, Request::EnvironmentBlock(block)) => {
                value(grub::environment_block(&block.variables))
            }
            (QemuImg, Request::Conversion(conversion)) => {
                value(of(files).and_then(|files| qemu_img::convert(self, &conversion, files)))
            }
            (QemuImg, Request::Create(create)) => {
                value(of(files).and_then(|files| qemu_img::create(self, &create, files)))
            }
            (QemuImg, Request::Info(info)) => {
                value(of(files).and_then(|image| qemu_img::info(self, &info, image)))
            }
            (Command, Request::Run(run)) => value(command::run(self, &run, files)),
            (Command, Request::Shell(shell)) => {
                value(of(files).and_then(|streams| shell::run(self, &shell, streams)))
            }
            (Tree, Request::XattrValue(attribute)) => {
                value(of(files).and_then(|object| tree::set(&self.access, &attribute, object)))
            }
            (Tree, Request::Trusted(call)) => {
                value(of(files).and_then(|object| tree::trusted(&self.access, &call, object)))
            }
            (Machine, Request::Boot(boot)) => {
                value(of(files).and_then(|output| machine::boot(self, &boot, output)))
            }
            (interface, _) => Err(denied(
                "",
                format!("this helper serves {interface} and nothing else"),
            )),
        }
    }

    /// Keeps something until it is released by its handle or with the session.
    pub fn hold(&mut self, held: Box<dyn Held>) -> Handle {
        let handle = Handle(self.next);
        self.next += 1;
        self.held.push((handle, held));
        handle
    }

    fn release(&mut self, handle: Handle) -> Result<(), Failure> {
        let position = self.held.iter().position(|(known, _)| *known == handle);
        let position =
            position.ok_or_else(|| invalid("", "the session does not hold this any more"))?;
        self.held.remove(position).1.release(self)
    }

    /// Releases everything in reverse order; returns the first failure.
    fn release_all(&mut self) -> Result<(), Failure> {
        let mut result = Ok(());
        while let Some((_, held)) = self.held.pop() {
            result = result.and(held.release(self));
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
