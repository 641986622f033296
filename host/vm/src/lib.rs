//! What a virtual machine boots: a kernel that some root directory has, and an initial RAM disk made for it.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]

mod cpio;
mod initrd;
mod kernel;
mod root;

pub use initrd::write_initrd;
pub use kernel::{Kernel, KernelError};
pub use root::RootDirectory;
