//! `osbuild:stage/mount`: file systems in the mount namespace of the run.

mod bind;
mod deployment;
mod directory;
mod fat;
mod kernel;
mod place;
pub mod superblock;
pub mod table;

use std::os::fd::OwnedFd;
use std::path::Path;

use osbuild_wasm_protocol::{ErrorCode, Failure, FileSystem, Mount, MountDirectory, Mounted};

pub use self::bind::bind;
pub use self::deployment::deployment;
pub use self::place::Place;
use crate::access::TREE;
use crate::device;
use crate::failure::denied;
use crate::session::{Resource, Session};

/// Where mounts belong, beside the tree.
const MOUNTS: &str = "/run/osbuild/mounts";

/// Whether FAT must be done by programs, because the kernel has none.
pub fn needs_programs() -> bool {
    !kernel::knows(FileSystem::Vfat)
}

/// Mounts a device.
pub fn mount(session: &mut Session, mount: &Mount) -> Result<Mounted, Failure> {
    let source = device::partition(&session.access, &mount.device, mount.partition)?;
    let options = kernel::options(mount.kind, &mount.options)?;
    let target = target(session, &mount.target)?;
    let by_programs = needs_programs() || source.is_file();
    let resource: Box<dyn Resource> = if mount.kind == FileSystem::Vfat && by_programs {
        Box::new(fat::mount(session, mount, source, &target)?)
    } else {
        let file_system = kernel::make(mount, &source.path, &options)?;
        Box::new(Place::attach(file_system, &target, &mount.target)?)
    };
    Ok(Mounted {
        handle: session.hold(resource),
        path: mount.target.clone(),
    })
}

/// Mounts a directory instead of the file system in a file.
pub fn mount_directory(
    session: &mut Session,
    mount: &MountDirectory,
    [directory]: [OwnedFd; 1],
) -> Result<Mounted, Failure> {
    session.access.scopes().check(&directory, &mount.target)?;
    let image = device::resolve(&session.access, &mount.device)?;
    if !image.is_file() {
        let detail = "only where a file stands for the device a directory can be mounted instead";
        return Err(denied(&mount.device, detail));
    }
    let target = target(session, &mount.target)?;
    let directory = directory::mount(mount, directory, image, &target)?;
    Ok(Mounted {
        handle: session.hold(Box::new(directory)),
        path: mount.target.clone(),
    })
}

/// A directory to mount on, made when missing. What is mounted there stays in the run's namespace.
pub fn target(session: &Session, contract: &str) -> Result<OwnedFd, Failure> {
    if !below(contract, &[MOUNTS, TREE]) {
        let detail = format!("file systems are mounted below {MOUNTS} or {TREE} only");
        return Err(denied(contract, detail));
    }
    let target = session.access.make_directory(contract)?;
    check_private(&target, contract)?;
    Ok(target)
}

fn below(contract: &str, tops: &[&str]) -> bool {
    tops.iter().any(|top| Path::new(contract).starts_with(top))
}

/// Refuses a target whose mount is shared with other namespaces: what is mounted there would be seen by the whole machine and stay.
fn check_private(target: &OwnedFd, contract: &str) -> Result<(), Failure> {
    let id = table::id_of(target, contract)?;
    let table = table::read(contract)?;
    if table.iter().any(|line| line.id == id && !line.shared) {
        return Ok(());
    }
    let detail = "the mount namespace of the run is not private: the runtime must unshare it first";
    Err(Failure::new(ErrorCode::NotPermitted, contract, detail))
}

impl Resource for Place {
    fn release(self: Box<Self>, _: &Session) -> Result<(), Failure> {
        self.detach()
    }
}
