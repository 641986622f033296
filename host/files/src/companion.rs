//! Programs that are installed together with this one.
use std::path::{Path, PathBuf};

/// Where a program of this name is: beside this program, or as installed in `../libexec/osbuild-wasm`. In another mount namespace the
/// kernel may tell another path of this program: who starts one there asks before.
pub fn companion_program(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let directory = program.parent().unwrap_or(Path::new("/usr/bin"));
    let beside = directory.join(name);
    if beside.is_file() {
        return beside;
    }
    let prefix = directory.parent().unwrap_or(Path::new("/usr"));
    prefix.join("libexec/osbuild-wasm").join(name)
}
