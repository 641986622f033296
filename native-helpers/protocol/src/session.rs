//! The runtime's side: one session and its calls.

use std::fmt::Display;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::calls::{
    Conversion, CoreImage, Create, Database, EnvironmentBlock, ImageInfo, ImportKey, Info, Install,
    Outcome, Package, Query, Request, Run, Shell, Verify, XattrValue,
};
use crate::frame::Connection;
use crate::machine::Boot;
use crate::message::{Bytes, ErrorCode, Failure, Handle, Interface, Ran, Reply};
use crate::storage::{
    ActivateVolume, Attach, Attached, BindMount, Deployment, Mapped, Mount, MountDirectory,
    MountImage, Mounted, OpenCrypt, Volume,
};

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
        self.call(&Request::End)
    }

    fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        self.call_with(request, &[])
    }

    fn call_with<T: DeserializeOwned>(
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

    /// `loopback.attach`, of this file.
    ///
    /// # Errors
    /// As the interface says; so for all calls below.
    pub fn attach(&self, attach: Attach, file: BorrowedFd<'_>) -> Result<Attached, Failure> {
        self.call_with(&Request::Attach(attach), &[file])
    }

    /// `crypt`: opens a LUKS container.
    ///
    /// # Errors
    /// As the interface says; `unsupported` without device mapper.
    pub fn open_crypt(&self, crypt: OpenCrypt) -> Result<Mapped, Failure> {
        self.call(&Request::OpenCrypt(crypt))
    }

    /// `lvm`: activates a logical volume.
    ///
    /// # Errors
    /// As the interface says; `unsupported` without device mapper.
    pub fn activate_volume(&self, volume: ActivateVolume) -> Result<Volume, Failure> {
        self.call(&Request::ActivateVolume(volume))
    }

    /// `loopback.device.detach`, and the same for what `crypt` and `lvm` opened.
    ///
    /// # Errors
    /// When data did not reach the file or the device stays in use.
    pub fn detach(&self, handle: Handle) -> Result<(), Failure> {
        self.call(&Request::Detach(handle))
    }

    /// `mount.mount`.
    ///
    /// # Errors
    /// As the interface says.
    pub fn mount(&self, mount: Mount) -> Result<Mounted, Failure> {
        self.call(&Request::Mount(mount))
    }

    /// `mount`: mounts a directory instead of a file system.
    ///
    /// # Errors
    /// As for [`Session::mount`]; `unsupported` when this kind cannot be made from a directory. Ending the session says whether the
    /// file system could be made.
    pub fn mount_directory(
        &self,
        mount: MountDirectory,
        directory: BorrowedFd<'_>,
    ) -> Result<Mounted, Failure> {
        self.call_with(&Request::MountDirectory(mount), &[directory])
    }

    /// `mount`: binds a part of the mounts into the tree.
    ///
    /// # Errors
    /// As the interface says.
    pub fn bind(&self, bind: BindMount) -> Result<Mounted, Failure> {
        self.call(&Request::Bind(bind))
    }

    /// `mount`: makes an OSTree deployment the root.
    ///
    /// # Errors
    /// As the interface says; `not-found` when there is no such deployment or its directories are not complete.
    pub fn deployment(&self, deployment: Deployment) -> Result<Mounted, Failure> {
        self.call(&Request::Deployment(deployment))
    }

    /// `ddi`: mounts a discoverable disk image.
    ///
    /// # Errors
    /// As the interface says.
    pub fn mount_image(&self, image: MountImage) -> Result<Mounted, Failure> {
        self.call(&Request::MountImage(image))
    }

    /// `mount.mounted.unmount`, and the same for what `ddi` mounted.
    ///
    /// # Errors
    /// When data did not reach the device or the file system stays in use.
    pub fn unmount(&self, handle: Handle) -> Result<(), Failure> {
        self.call(&Request::Unmount(handle))
    }

    /// `rpm.import-key`.
    ///
    /// # Errors
    /// As the interface says.
    pub fn import_key(&self, database: Database, key: Vec<u8>) -> Result<(), Failure> {
        self.call(&Request::ImportKey(ImportKey {
            database,
            key: Bytes(key),
        }))
    }

    /// `rpm.verify`, of a file in one of these directories.
    ///
    /// # Errors
    /// When a signature or digest does not fit.
    pub fn verify(&self, verify: Verify, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        self.call_with(&Request::Verify(verify), directories)
    }

    /// `rpm.install`, of files in these directories.
    ///
    /// # Errors
    /// As the interface says.
    pub fn install(&self, install: Install, directories: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        self.call_with(&Request::Install(install), directories)
    }

    /// `rpm.query`.
    ///
    /// # Errors
    /// As the interface says.
    pub fn query(&self, database: Database) -> Result<Vec<Package>, Failure> {
        self.call(&Request::Query(Query { database }))
    }

    /// `grub.core-image`.
    ///
    /// # Errors
    /// As the interface says.
    pub fn core_image(&self, core: CoreImage) -> Result<Vec<u8>, Failure> {
        self.call(&Request::CoreImage(core))
            .map(|Bytes(bytes)| bytes)
    }

    /// `grub.boot-image`.
    ///
    /// # Errors
    /// As the interface says.
    pub fn boot_image(&self, platform: String) -> Result<Vec<u8>, Failure> {
        self.call(&Request::BootImage(platform))
            .map(|Bytes(bytes)| bytes)
    }

    /// `grub.environment-block`.
    ///
    /// # Errors
    /// `no-space` when the variables do not fit.
    pub fn environment_block(&self, variables: Vec<(String, String)>) -> Result<Vec<u8>, Failure> {
        self.call(&Request::EnvironmentBlock(EnvironmentBlock { variables }))
            .map(|Bytes(bytes)| bytes)
    }

    /// `qemu-img.convert`, with the source, the target, and the directory of the target.
    ///
    /// # Errors
    /// As the interface says.
    pub fn convert(
        &self,
        conversion: Conversion,
        files: [BorrowedFd<'_>; 3],
    ) -> Result<(), Failure> {
        self.call_with(&Request::Convert(conversion), &files)
    }

    /// `qemu-img.create`, with the target and its directory.
    ///
    /// # Errors
    /// As the interface says.
    pub fn create(&self, create: Create, files: [BorrowedFd<'_>; 2]) -> Result<(), Failure> {
        self.call_with(&Request::Create(create), &files)
    }

    /// `qemu-img.info`, of this image.
    ///
    /// # Errors
    /// As the interface says.
    pub fn info(&self, path: String, image: BorrowedFd<'_>) -> Result<ImageInfo, Failure> {
        self.call_with(&Request::Info(Info { path }), &[image])
    }

    /// `command.run`, with the files of its input and output, in this order.
    ///
    /// # Errors
    /// As the interface says; a status other than 0 is none.
    pub fn run(&self, run: Run, streams: &[BorrowedFd<'_>]) -> Result<Outcome, Failure> {
        self.call_with(&Request::Run(run), streams)
    }

    /// `command`: a shell on these three streams, until it ends.
    ///
    /// # Errors
    /// `denied` when the grant does not name its program, `missing-tool` when the build root has none.
    pub fn shell(&self, shell: Shell, streams: [BorrowedFd<'_>; 3]) -> Result<Outcome, Failure> {
        self.call_with(&Request::Shell(shell), &streams)
    }

    /// Boots a virtual machine and waits until it is off; what it says goes to `output`.
    ///
    /// # Errors
    /// `missing-tool` when this machine has no emulator, `denied` for what was not granted.
    pub fn boot(&self, boot: Boot, output: BorrowedFd<'_>) -> Result<Outcome, Failure> {
        self.call_with(&Request::Boot(boot), &[output])
    }

    /// `tree.set-xattr` of this object, with privilege.
    ///
    /// # Errors
    /// As the interface says.
    pub fn set_xattr(&self, value: XattrValue, object: BorrowedFd<'_>) -> Result<(), Failure> {
        self.call_with(&Request::SetXattr(value), &[object])
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
