//! Where things are.
use std::path::{Path, PathBuf};

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a directory of the workspace")
}

/// A file of the workspace's samples.
pub fn sample(name: &str) -> PathBuf {
    workspace().join("samples").join(name)
}

/// The program to test: `$OSBUILD_WASM`, else the one that was built into the same target directory as this test.
pub fn program() -> PathBuf {
    let program = std::env::var_os("OSBUILD_WASM")
        .map_or_else(|| profile_directory().join("osbuild-wasm"), PathBuf::from);
    assert!(
        program.is_file(),
        "{} is missing: build the program first, or set OSBUILD_WASM",
        program.display()
    );
    program
}

/// A directory of the target directory that outlives the test run: for what is slow to make.
pub fn kept(name: &str) -> PathBuf {
    let directory = profile_directory()
        .parent()
        .expect("a profile's directory has a parent")
        .join("tmp")
        .join(name);
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    directory
}

/// `target/PROFILE`.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the system tells the path of a process");
    let deps = test.parent().expect("a program is in a directory");
    deps.parent()
        .expect("test programs are in a directory of the target directory")
        .to_owned()
}
