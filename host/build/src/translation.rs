//! Calls and errors of the contract in the words of the helpers' protocol, and back.
use osbuild_wasm_component::bindings::{command, loopback, qemu_img, rpm};
use osbuild_wasm_component::{CallError, ErrorCode, Packages};
use osbuild_wasm_protocol as protocol;
use osbuild_wasm_protocol::Failure;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

pub(crate) fn call_error(failure: Failure) -> CallError {
    let Failure { code, path, detail } = failure;
    CallError {
        code: error_code(code),
        path,
        detail,
    }
}

/// How the helper attaches a file. Of what is still written there is no table of partitions yet, and its parts are attached by themselves.
pub(crate) fn attachment(path: &str, options: loopback::Options) -> protocol::Attach {
    let whole = options.offset == 0 && options.size.is_none();
    protocol::Attach {
        path: path.to_owned(),
        offset: options.offset,
        size: options.size,
        sector_size: options.sector_size,
        read_only: options.read_only,
        partition_scan: whole && options.read_only,
        lock: false,
    }
}

fn error_code(code: protocol::ErrorCode) -> ErrorCode {
    use protocol::ErrorCode as From;
    match code {
        From::Denied => ErrorCode::Denied,
        From::NotFound => ErrorCode::NotFound,
        From::Exists => ErrorCode::Exists,
        From::NotADirectory => ErrorCode::NotADirectory,
        From::IsADirectory => ErrorCode::IsADirectory,
        From::NotEmpty => ErrorCode::NotEmpty,
        From::NotPermitted => ErrorCode::NotPermitted,
        From::ReadOnly => ErrorCode::ReadOnly,
        From::NoSpace => ErrorCode::NoSpace,
        From::Loop => ErrorCode::Loop,
        From::NameTooLong => ErrorCode::NameTooLong,
        From::Invalid => ErrorCode::Invalid,
        From::Unsupported => ErrorCode::Unsupported,
        From::CrossDevice => ErrorCode::CrossDevice,
        From::Busy => ErrorCode::Busy,
        From::MissingTool => ErrorCode::MissingTool,
        From::Interrupted => ErrorCode::Interrupted,
        From::Io => ErrorCode::Io,
    }
}

pub(crate) fn descriptors(files: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}

pub(crate) fn files_of(packages: &Packages) -> impl Iterator<Item = protocol::PackageFile> + '_ {
    let file = |(directory, name): &(usize, String)| protocol::PackageFile {
        directory: *directory,
        name: name.clone(),
    };
    packages.names.iter().map(file)
}

pub(crate) fn database(database: rpm::Database) -> protocol::Database {
    let rpm::Database {
        root,
        path,
        keys_program,
    } = database;
    protocol::Database {
        root,
        path,
        keys_program,
    }
}

pub(crate) fn image_format(format: qemu_img::Format) -> protocol::ImageFormat {
    match format {
        qemu_img::Format::Raw => protocol::ImageFormat::Raw,
        qemu_img::Format::Qcow2 => protocol::ImageFormat::Qcow2,
        qemu_img::Format::Vdi => protocol::ImageFormat::Vdi,
        qemu_img::Format::Vmdk => protocol::ImageFormat::Vmdk,
        qemu_img::Format::Vpc => protocol::ImageFormat::Vpc,
        qemu_img::Format::Vhdx => protocol::ImageFormat::Vhdx,
    }
}

pub(crate) fn program(request: command::Request) -> protocol::Run {
    let bind = |bind: command::Bind| protocol::Bind {
        source: bind.source,
        target: bind.target,
        read_only: bind.read_only,
    };
    protocol::Run {
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
            command::Input::Bytes(bytes) => protocol::Input::Bytes(protocol::Bytes(bytes)),
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
