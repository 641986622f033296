//! From the contract's terms and the kernel's to those of WASI.
use crate::ErrorCode as Code;
use crate::bindings::types::Error;
use rustix::fs::{FileType, Stat};
use std::hash::{DefaultHasher, Hash, Hasher};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    DescriptorStat, DescriptorType, MetadataHashValue,
};

pub(super) fn error_of(error: &Error) -> ErrorCode {
    match error.code {
        Code::Denied => ErrorCode::Access,
        Code::NotFound => ErrorCode::NoEntry,
        Code::Exists => ErrorCode::Exist,
        Code::NotADirectory => ErrorCode::NotDirectory,
        Code::IsADirectory => ErrorCode::IsDirectory,
        Code::NotEmpty => ErrorCode::NotEmpty,
        Code::NotPermitted => ErrorCode::NotPermitted,
        Code::ReadOnly => ErrorCode::ReadOnly,
        Code::NoSpace => ErrorCode::InsufficientSpace,
        Code::Loop => ErrorCode::Loop,
        Code::NameTooLong => ErrorCode::NameTooLong,
        Code::Invalid => ErrorCode::Invalid,
        Code::Unsupported | Code::MissingTool => ErrorCode::Unsupported,
        Code::CrossDevice => ErrorCode::CrossDevice,
        Code::Busy => ErrorCode::Busy,
        Code::Interrupted => ErrorCode::Interrupted,
        Code::Io => ErrorCode::Io,
    }
}

pub(super) fn stat_of(stat: &Stat) -> DescriptorStat {
    let time = |seconds: i64, nanoseconds: u64| {
        Some(Datetime {
            seconds: u64::try_from(seconds).ok()?,
            nanoseconds: u32::try_from(nanoseconds).ok()?,
        })
    };
    DescriptorStat {
        type_: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => DescriptorType::RegularFile,
            FileType::Directory => DescriptorType::Directory,
            FileType::Symlink => DescriptorType::SymbolicLink,
            FileType::BlockDevice => DescriptorType::BlockDevice,
            FileType::CharacterDevice => DescriptorType::CharacterDevice,
            FileType::Fifo => DescriptorType::Fifo,
            FileType::Socket => DescriptorType::Socket,
            FileType::Unknown => DescriptorType::Unknown,
        },
        link_count: stat.st_nlink,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        data_access_timestamp: time(stat.st_atime, stat.st_atime_nsec),
        data_modification_timestamp: time(stat.st_mtime, stat.st_mtime_nsec),
        status_change_timestamp: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// The same for all names and descriptors of one object, different for different ones.
pub(super) fn identity(stat: &Stat) -> MetadataHashValue {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, stat.st_dev, stat.st_ino).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHashValue {
        lower: half(0),
        upper: half(1),
    }
}
