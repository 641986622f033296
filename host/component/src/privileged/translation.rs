//! Calls and errors of the contract in the words of the helpers' protocol, and back.
use crate::bindings::types::{Error, ErrorCode};
use crate::bindings::{command, grub, loopback, mount, qemu_img, rpm};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::{Bytes, Failure};

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { code, path, detail } = failure;
        Self {
            code: code.into(),
            path,
            detail,
        }
    }
}

impl From<protocol::ErrorCode> for ErrorCode {
    fn from(code: protocol::ErrorCode) -> Self {
        use protocol::ErrorCode as From;
        match code {
            From::Denied => Self::Denied,
            From::NotFound => Self::NotFound,
            From::Exists => Self::Exists,
            From::NotADirectory => Self::NotADirectory,
            From::IsADirectory => Self::IsADirectory,
            From::NotEmpty => Self::NotEmpty,
            From::NotPermitted => Self::NotPermitted,
            From::ReadOnly => Self::ReadOnly,
            From::NoSpace => Self::NoSpace,
            From::Loop => Self::Loop,
            From::NameTooLong => Self::NameTooLong,
            From::Invalid => Self::Invalid,
            From::Unsupported => Self::Unsupported,
            From::CrossDevice => Self::CrossDevice,
            From::Busy => Self::Busy,
            From::MissingTool => Self::MissingTool,
            From::Interrupted => Self::Interrupted,
            From::Io => Self::Io,
        }
    }
}

/// How the helper attaches a file. Of what is still written there is no table of partitions yet, and its parts are attached by themselves.
pub(super) fn attachment(path: String, options: loopback::Options) -> protocol::Attach {
    let whole = options.offset == 0 && options.size.is_none();
    protocol::Attach {
        path,
        offset: options.offset,
        size: options.size,
        sector_size: options.sector_size,
        read_only: options.read_only,
        partition_scan: whole && options.read_only,
        lock: false,
    }
}

impl From<mount::FileSystem> for protocol::FileSystem {
    fn from(kind: mount::FileSystem) -> Self {
        match kind {
            mount::FileSystem::Ext4 => Self::Ext4,
            mount::FileSystem::Xfs => Self::Xfs,
            mount::FileSystem::Btrfs => Self::Btrfs,
            mount::FileSystem::Vfat => Self::Vfat,
            mount::FileSystem::Squashfs => Self::Squashfs,
            mount::FileSystem::Erofs => Self::Erofs,
        }
    }
}

impl From<rpm::Database> for protocol::Database {
    fn from(database: rpm::Database) -> Self {
        let rpm::Database {
            root,
            path,
            keys_program,
        } = database;
        Self {
            root,
            path,
            keys_program,
        }
    }
}

impl From<protocol::Package> for rpm::InstalledPackage {
    fn from(package: protocol::Package) -> Self {
        Self {
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
        }
    }
}

impl From<grub::Core> for protocol::CoreImage {
    fn from(core: grub::Core) -> Self {
        let grub::Core {
            program,
            platform,
            format,
            prefix,
            modules,
        } = core;
        Self {
            program,
            platform,
            format,
            prefix,
            modules,
        }
    }
}

impl From<qemu_img::Format> for protocol::ImageFormat {
    fn from(format: qemu_img::Format) -> Self {
        match format {
            qemu_img::Format::Raw => Self::Raw,
            qemu_img::Format::Qcow2 => Self::Qcow2,
            qemu_img::Format::Vdi => Self::Vdi,
            qemu_img::Format::Vmdk => Self::Vmdk,
            qemu_img::Format::Vpc => Self::Vpc,
            qemu_img::Format::Vhdx => Self::Vhdx,
        }
    }
}

impl From<protocol::ImageInfo> for qemu_img::ImageInfo {
    fn from(info: protocol::ImageInfo) -> Self {
        let protocol::ImageInfo {
            format,
            virtual_size,
            actual_size,
        } = info;
        Self {
            format,
            virtual_size,
            actual_size,
        }
    }
}

impl From<command::Request> for protocol::Run {
    fn from(request: command::Request) -> Self {
        let bind = |bind: command::Bind| protocol::Bind {
            source: bind.source,
            target: bind.target,
            read_only: bind.read_only,
        };
        Self {
            program: request.program,
            arguments: request.arguments,
            root: match request.root {
                command::Root::BuildRoot => protocol::Root::BuildRoot,
                command::Root::Tree => protocol::Root::Tree,
            },
            environment: request.environment,
            directory: request.directory,
            input: match request.input {
                command::Input::None => protocol::Input::None,
                command::Input::Bytes(bytes) => protocol::Input::Bytes(Bytes(bytes)),
                command::Input::File(path) => protocol::Input::File(path),
            },
            output: match request.output {
                command::Output::Log => protocol::Output::Log,
                command::Output::Capture => protocol::Output::Capture,
                command::Output::File(path) => protocol::Output::File(path),
                command::Output::Discard => protocol::Output::Discard,
            },
            binds: request.binds.into_iter().map(bind).collect(),
        }
    }
}
