//! The sessions that one stage has with helper processes.
use crate::attached::Attached;
use crate::file_systems::{Beginning, FileSystems, Key};
use crate::helper_processes::HelperProcesses;
use crate::interrupt::Cancellations;
use crate::programs;
use crate::record::Journal;
use crate::sectors;
use crate::translation::{
    attachment, call_error, database, descriptors, files_of, image_format, program,
};
use crate::user_namespace::is_root_of_machine;
use osbuild_wasm_component::bindings::{command, grub, loopback, mount, qemu_img, rpm};
use osbuild_wasm_component::{
    Attachment, CallError, Helpers, MountPoint, Packages, Passed, Target, Trusted,
};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{Failure, Granted, Handle, Interface, Session};
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeMap;
use std::sync::Arc;

type Call<T> = std::result::Result<T, CallError>;

/// Carries out a stage's privileged calls: a session with each helper from its first use to the stage's end.
pub(crate) struct StageHelpers {
    pub(crate) processes: Arc<HelperProcesses>,
    pub(crate) granted: Granted,
    pub(crate) log: OwnedFd,
    /// What files stand for of images, by the contract path of the device.
    pub(crate) parts: BTreeMap<String, (Key, Beginning)>,
    pub(crate) sectors: BTreeMap<String, u32>,
    pub(crate) file_systems: Option<Arc<FileSystems>>,
    /// What it attaches itself where there are no loop devices; none: the helper attaches.
    pub(crate) attached: Option<Attached>,
    pub(crate) cancellations: Cancellations,
    /// Is told what the helpers ran of their own accord.
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) sessions: BTreeMap<Interface, Session>,
}

impl Drop for StageHelpers {
    fn drop(&mut self) {
        let Some(journal) = &self.journal else {
            return;
        };
        while let Some((_, session)) = self.sessions.pop_first() {
            // A failure was told by the call that it belongs to.
            journal.helped(session.end().unwrap_or_default());
        }
    }
}

impl StageHelpers {
    /// Begins a session that also has the devices of what the stage attached itself.
    fn begin(
        &self,
        interface: Interface,
        attached: Option<&Attached>,
    ) -> std::result::Result<Session, Failure> {
        let io =
            |error: std::io::Error| Failure::new(protocol::ErrorCode::Io, "", error.to_string());
        let log = self.log.try_clone().map_err(io)?;
        let mut granted = self.granted.clone();
        if let Some(attached) = attached {
            attached.grant(&mut granted);
        }
        let session = self.processes.begin(interface, &granted, log)?;
        self.cancellations.add(&session);
        Ok(session)
    }

    fn session(&mut self, interface: Interface) -> Call<&Session> {
        if !self.sessions.contains_key(&interface) {
            let session = self.begin(interface, self.attached.as_ref());
            let session = session.map_err(call_error)?;
            self.sessions.insert(interface, session);
        }
        let gone = || {
            call_error(Failure::new(
                protocol::ErrorCode::Io,
                "",
                "the helper's session is gone",
            ))
        };
        self.sessions.get(&interface).ok_or_else(gone)
    }
}

impl StageHelpers {
    /// Ends the session of programs, whose devices are those of its beginning.
    fn end_programs(&mut self) -> Call<()> {
        match self.sessions.remove(&Interface::Command) {
            Some(session) => {
                let ran = session.end().map_err(call_error)?;
                if let Some(journal) = &self.journal {
                    journal.helped(ran);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The session for a call that starts one of these programs, which must be granted like those of `command`.
    fn session_for(&mut self, interface: Interface, programs: &[String]) -> Call<&Session> {
        if !programs::granted(programs, &self.granted.grant.programs) {
            let detail = format!(
                "program {} was not granted, which {interface} runs",
                programs.join(" or ")
            );
            return Err(call_error(Failure::new(
                protocol::ErrorCode::Denied,
                "",
                detail,
            )));
        }
        self.session(interface)
    }
}

impl Helpers for StageHelpers {
    fn attach(&mut self, file: &Passed, options: loopback::Options) -> Call<Attachment> {
        let attach = attachment(&file.path, options);
        if let Some(attached) = &mut self.attached {
            let opened = attached
                .attach(&attach, &file.file, &self.granted)
                .map_err(call_error)?;
            self.end_programs()?;
            return Ok(Attachment {
                handle: opened.handle,
                path: opened.contract,
            });
        }
        let attached = self
            .session(Interface::Loopback)?
            .call(attach, &[file.file.as_fd()])
            .map_err(call_error)?;
        Ok(Attachment {
            handle: attached.handle.0,
            path: attached.device,
        })
    }

    fn detach(&mut self, handle: u64) -> Call<()> {
        if let Some(attached) = &mut self.attached {
            attached.detach(handle).map_err(call_error)?;
            return self.end_programs();
        }
        self.session(Interface::Loopback)?
            .call(protocol::Detach(Handle(handle)), &[])
            .map_err(call_error)
    }

    fn mount(
        &mut self,
        device: &str,
        target: &str,
        kind: mount::FileSystem,
        read_only: bool,
        options: Vec<String>,
    ) -> Call<MountPoint> {
        let kind = match kind {
            mount::FileSystem::Ext4 => protocol::FileSystem::Ext4,
            mount::FileSystem::Xfs => protocol::FileSystem::Xfs,
            mount::FileSystem::Btrfs => protocol::FileSystem::Btrfs,
            mount::FileSystem::Vfat => protocol::FileSystem::Vfat,
            mount::FileSystem::Squashfs => protocol::FileSystem::Squashfs,
            mount::FileSystem::Erofs => protocol::FileSystem::Erofs,
        };
        let (device, target) = (device.to_owned(), target.to_owned());
        let call = protocol::Mount {
            device,
            partition: None,
            target,
            kind,
            read_only,
            options,
        };
        if let Some(mut attached) = self.attached.take() {
            let target = call.target.clone();
            let begin = |attached: &Attached| self.begin(Interface::Mount, Some(attached));
            let mounted = attached.mount(call, begin);
            self.attached = Some(attached);
            let handle = mounted.map_err(call_error)?;
            return Ok(MountPoint {
                handle,
                path: target,
            });
        }
        let mounted = self
            .session(Interface::Mount)?
            .call(call, &[])
            .map_err(call_error)?;
        Ok(MountPoint {
            handle: mounted.handle.0,
            path: mounted.path,
        })
    }

    fn unmount(&mut self, handle: u64) -> Call<()> {
        if let Some(attached) = &mut self.attached {
            let ran = attached.unmount(handle).map_err(call_error)?;
            if let Some(journal) = &self.journal {
                journal.helped(ran);
            }
            return Ok(());
        }
        self.session(Interface::Mount)?
            .call(protocol::Unmount(Handle(handle)), &[])
            .map_err(call_error)
    }

    fn set_xattr(&mut self, object: &Passed, name: &str, value: &[u8]) -> Call<()> {
        let value = protocol::XattrValue {
            path: object.path.clone(),
            name: name.to_owned(),
            value: protocol::Bytes(value.to_vec()),
        };
        self.session(Interface::Tree)?
            .call(value, &[object.file.as_fd()])
            .map_err(call_error)
    }

    fn trusted(&mut self, object: &Passed) -> Call<Vec<Trusted>> {
        if !is_root_of_machine() || !self.processes.has(Interface::Tree) {
            // To anybody else the kernel shows none, and lets them make none.
            return Ok(Vec::new());
        }
        let path = object.path.clone();
        let session = self.session(Interface::Tree)?;
        let told = session.call(protocol::Trusted { path }, &[object.file.as_fd()]);
        let value = |value: protocol::TrustedValue| Trusted {
            below: value.below.0,
            name: value.name,
            value: value.value.0,
        };
        told.map(|told| told.into_iter().map(value).collect())
            .map_err(call_error)
    }

    fn import_key(&mut self, of: rpm::Database, key: Vec<u8>) -> Call<()> {
        let keys = programs::keys(&of);
        let import = protocol::ImportKey {
            database: database(of),
            key: protocol::Bytes(key),
        };
        self.session_for(Interface::Rpm, &keys)?
            .call(import, &[])
            .map_err(call_error)
    }

    fn verify(&mut self, of: rpm::Database, path: &str, package: &Packages) -> Call<()> {
        let keys = programs::keys(&of);
        let verify = protocol::Verify {
            database: database(of),
            package: path.to_owned(),
            file: files_of(package).next().unwrap_or_default(),
        };
        self.session_for(Interface::Rpm, &keys)?
            .call(verify, &descriptors(&package.directories))
            .map_err(call_error)
    }

    fn install(
        &mut self,
        of: rpm::Database,
        transaction: rpm::Transaction,
        packages: &Packages,
    ) -> Call<()> {
        let install = protocol::Install {
            database: database(of),
            packages: files_of(packages).collect(),
            exclude_docs: transaction.exclude_docs,
            no_dependencies: transaction.no_dependencies,
            ignore_architecture: transaction.ignore_architecture,
            install_langs: transaction.install_langs,
            environment: transaction.environment,
        };
        self.session_for(Interface::Rpm, &programs::rpm())?
            .call(install, &descriptors(&packages.directories))
            .map_err(call_error)
    }

    fn query(&mut self, of: rpm::Database) -> Call<Vec<rpm::InstalledPackage>> {
        let query = protocol::Query {
            database: database(of),
        };
        let packages = self
            .session(Interface::Rpm)?
            .call(query, &[])
            .map_err(call_error)?;
        let convert = |package: protocol::Package| rpm::InstalledPackage {
            name: package.name,
            version: package.version,
            release: package.release,
            epoch: package.epoch,
            arch: package.arch,
            sigmd5: package.sigmd5,
            sha1header: package.sha1header,
            sha256header: package.sha256header,
            sha3_256header: package.sha3_256header,
            sigpgp: package.sigpgp,
            siggpg: package.siggpg,
        };
        Ok(packages.into_iter().map(convert).collect())
    }

    fn core_image(&mut self, core: grub::Core) -> Call<Vec<u8>> {
        let mkimage = programs::mkimage(&core);
        let grub::Core {
            program,
            platform,
            format,
            prefix,
            modules,
        } = core;
        let core = protocol::CoreImage {
            program,
            platform,
            format,
            prefix,
            modules,
        };
        self.session_for(Interface::Grub, &mkimage)?
            .call(core, &[])
            .map(|protocol::Bytes(image)| image)
            .map_err(call_error)
    }

    fn boot_image(&mut self, platform: &str) -> Call<Vec<u8>> {
        self.session(Interface::Grub)?
            .call(protocol::BootImage(platform.to_owned()), &[])
            .map(|protocol::Bytes(image)| image)
            .map_err(call_error)
    }

    fn environment_block(&mut self, variables: Vec<(String, String)>) -> Call<Vec<u8>> {
        self.session(Interface::Grub)?
            .call(protocol::EnvironmentBlock { variables }, &[])
            .map(|protocol::Bytes(block)| block)
            .map_err(call_error)
    }

    fn convert(
        &mut self,
        source: &Passed,
        to: &Target,
        conversion: qemu_img::Conversion,
    ) -> Call<()> {
        let files = [&source.file, &to.file.file, &to.directory];
        let conversion = protocol::Conversion {
            source: source.path.clone(),
            to: to.file.path.clone(),
            format: image_format(conversion.format),
            compress: conversion.compress,
            options: conversion.options,
            coroutines: conversion.coroutines,
        };
        self.session_for(Interface::QemuImg, &programs::qemu_img())?
            .call(conversion, &files.map(AsFd::as_fd))
            .map_err(call_error)
    }

    fn create(
        &mut self,
        to: &Target,
        format: qemu_img::Format,
        size: u64,
        options: Vec<String>,
    ) -> Call<()> {
        let create = protocol::Create {
            path: to.file.path.clone(),
            format: image_format(format),
            size,
            options,
        };
        self.session_for(Interface::QemuImg, &programs::qemu_img())?
            .call(create, &[&to.file.file, &to.directory].map(AsFd::as_fd))
            .map_err(call_error)
    }

    fn info(&mut self, image: &Passed) -> Call<qemu_img::ImageInfo> {
        let call = protocol::Info {
            path: image.path.clone(),
        };
        let info = self
            .session(Interface::QemuImg)?
            .call(call, &[image.file.as_fd()])
            .map_err(call_error)?;
        let protocol::ImageInfo {
            format,
            virtual_size,
            actual_size,
        } = info;
        Ok(qemu_img::ImageInfo {
            format,
            virtual_size,
            actual_size,
        })
    }

    fn run(&mut self, request: command::Request, streams: &[OwnedFd]) -> Call<command::Outcome> {
        let mut run = program(request);
        sectors::tell(&mut run, &self.sectors);
        let protocol::Outcome { status, output } = self
            .session(Interface::Command)?
            .call(run.clone(), &descriptors(streams))
            .map_err(call_error)?;
        if let Some(file_systems) = self.file_systems.as_ref().filter(|_| status == 0) {
            file_systems.ran(&run, &self.parts);
        }
        if let Some(attached) = self.attached.as_ref().filter(|_| status == 0) {
            attached.ran(&run).map_err(call_error)?;
        }
        Ok(command::Outcome {
            status,
            output: output.0,
        })
    }
}
