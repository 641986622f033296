//! What to do about a program that is missing or does not start.

use std::io;
use std::path::Path;

use osbuild_wasm_packages::package_of;
use osbuild_wasm_protocol::{ErrorCode, Failure};
use rustix::io::Errno;

/// The failure for a program that is not in `place`.
pub fn missing_tool(program: &str, place: &str) -> Failure {
    let package = package_of(program).map(|package| package.to_string());
    let package = package.unwrap_or_else(|| "the package that has it".to_owned());
    Failure::new(
        ErrorCode::MissingTool,
        program,
        format!("{place} has no such program: install {package} there"),
    )
}

/// The failure for a program that is there and that the kernel does not start.
pub fn not_started(program: &Path, error: &io::Error) -> Failure {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    let name = program.to_string_lossy();
    let mut failure = Failure::system(errno, name, "cannot start this program");
    if errno == Errno::NOEXEC {
        failure.detail += &format!(
            ": it is not for this machine ({}); programs for others need an emulator (qemu-user-static) in binfmt_misc, with flag F",
            std::env::consts::ARCH
        );
    }
    failure
}
