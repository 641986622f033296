//! Programs that tests need: where they are not installed tests are passed over, but never in CI.

use std::path::PathBuf;
use std::process::Command;

/// Whether all of these can be run.
pub(super) fn have(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    let is_there = |program: &&&str| {
        std::env::split_paths(&path).any(|directory| directory.join(program).exists())
    };
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| !is_there(program))
        .collect();
    assert!(
        missing.is_empty() || std::env::var_os("CI").is_none(),
        "install {missing:?}: tools/install-packages"
    );
    missing.is_empty()
}

/// Runs a program that must succeed and gives what it printed.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {messages}"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes a program that stands in for another one, and gives the directory that is to be its PATH.
pub(super) fn stand_in(directory: &std::path::Path, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let programs = directory.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let file = programs.join(name);
    // A script that is still open for writing in a process forked meanwhile cannot be run: let another write it.
    run(
        "sh",
        &[
            "-c",
            "printf '#!/bin/sh\n%s\n' \"$1\" > \"$2\"",
            "sh",
            script,
            file.to_str().unwrap(),
        ],
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    programs
}
