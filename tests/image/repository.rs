//! The RPM repository of the samples, made once and kept in the target directory.
use osbuild_wasm_tests::{Program, Scratch, paths};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What making the repository and booting its packages takes.
pub(crate) const TOOLS: [&str; 8] = [
    "python3",
    "apt-get",
    "rpmbuild",
    "createrepo_c",
    "gpg",
    "qemu-img",
    "qemu-system-x86_64",
    "mkfs.ext4",
];

/// The repository's directory. Test programs that run at the same time make it once.
pub(crate) fn repository() -> &'static Path {
    static REPOSITORY: OnceLock<PathBuf> = OnceLock::new();
    REPOSITORY.get_or_init(|| {
        let directory = paths::kept("repository");
        let lock =
            File::create(directory.join("lock")).expect("the target directory can be written");
        flock(&lock, FlockOperation::LockExclusive).expect("a lock");
        let made = Command::new(paths::sample("rpm-repo/make-repo"))
            .arg("--output")
            .arg(directory.join("out"))
            .arg("--cache")
            .arg(directory.join("packages"))
            .stdin(Stdio::null())
            .status();
        assert!(
            made.expect("make-repo").success(),
            "the repository cannot be made"
        );
        directory.join("out")
    })
}

/// Runs a script of sh with the repository served: `$0` is the program, `$URL` the repository, `$MANIFEST` the filled-in sample.
pub(crate) fn with_sample(scratch: &Scratch, sample: &str, script: &str) -> Program {
    let script = format!(
        r#"set -e; MANIFEST="$SCRATCH/{sample}"; "$RENDER" "$SAMPLE" --repository "$REPOSITORY" --url "$URL" >"$MANIFEST"; exec {script}"#
    );
    Program::of(paths::sample("serve"), "")
        .arg(repository())
        .args(["sh", "-c", &script])
        .arg(paths::program())
        .env("SCRATCH", scratch.root())
        .env("RENDER", paths::sample("render"))
        .env("SAMPLE", paths::sample(sample))
        .env("REPOSITORY", repository())
}
