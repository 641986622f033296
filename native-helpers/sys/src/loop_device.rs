//! Loop devices, see loop(4) and linux/loop.h.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Result;
use rustix::ioctl::{self, Ioctl, IoctlOutput, NoArg, Opcode, Setter};

const LOOP_CLR_FD: Opcode = 0x4c01;
const LOOP_CONFIGURE: Opcode = 0x4c0a;
const LOOP_CTL_GET_FREE: Opcode = 0x4c82;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_PARTSCAN: u32 = 8;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Config {
    descriptor: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// How a file becomes a loop device. It is always detached by the kernel when its last user is gone (autoclear).
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// First byte shown.
    pub offset: u64,
    /// Bytes shown; 0: up to the end of the file.
    pub size: u64,
    /// Logical block size in bytes.
    pub block_size: u32,
    /// Refuse writing.
    pub read_only: bool,
    /// Let the kernel look for partitions, and forget them when the device is detached.
    pub partition_scan: bool,
}

struct GetFree;

// SAFETY: LOOP_CTL_GET_FREE takes no argument and returns a number or an error; nothing is read or written through a pointer.
unsafe impl Ioctl for GetFree {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> Result<u32> {
        // The system call wrapper has turned negative numbers into errors.
        Ok(output.unsigned_abs())
    }
}

/// Number of a loop device that is free right now; `control` is `/dev/loop-control`.
///
/// # Errors
/// When there is none, or `control` is something else.
pub fn get_free(control: impl AsFd) -> Result<u32> {
    // SAFETY: `GetFree` passes no pointer.
    unsafe { ioctl::ioctl(control, GetFree) }
}

/// Binds `file` to the loop device `device`, all at once.
///
/// # Errors
/// `BUSY` when the device is in use by now; `INVAL` for an impossible block size.
pub fn configure(device: impl AsFd, file: BorrowedFd<'_>, settings: Settings) -> Result<()> {
    let flag = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
    let info = Info {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: settings.offset,
        size_limit: settings.size,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: LO_FLAGS_AUTOCLEAR
            | flag(settings.read_only, LO_FLAGS_READ_ONLY)
            | flag(settings.partition_scan, LO_FLAGS_PARTSCAN),
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
    let descriptor = file.as_raw_fd().unsigned_abs();
    let config = Config {
        descriptor,
        block_size: settings.block_size,
        info,
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which `Config` mirrors; on another kind of file it is an error.
    unsafe { ioctl::ioctl(device, Setter::<LOOP_CONFIGURE, Config>::new(config)) }
}

/// Detaches the file; takes effect when the last user closes the device.
///
/// # Errors
/// `NXIO` when no file is attached.
pub fn clear(device: impl AsFd) -> Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument.
    unsafe { ioctl::ioctl(device, NoArg::<LOOP_CLR_FD>::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_of_the_kernel() {
        assert_eq!((size_of::<Info>(), size_of::<Config>()), (232, 304));
    }

    #[test]
    fn other_files_are_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let settings = Settings {
            offset: 0,
            size: 0,
            block_size: 512,
            read_only: true,
            partition_scan: false,
        };
        assert!(
            get_free(&file).is_err()
                && clear(&file).is_err()
                && configure(&file, file.as_fd(), settings).is_err()
        );
    }
}
