//! Debian's packages, without installing them.
use crate::paths;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The files of a package below a directory that is kept from run to run. Takes `apt-get` and `dpkg-deb`.
pub fn unpacked(package: &str) -> PathBuf {
    let directory = paths::kept("packages").join(package);
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let lock = File::create(directory.join("lock")).expect("the target directory");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock");
    let script = r#"[ -e root/done ] && exit 0
        rm -rf root ./*.deb && apt-get download "$0" && dpkg-deb -x ./*.deb root && rm ./*.deb
        chmod -R go+rX root && touch root/done"#;
    let made = Command::new("sh")
        .args(["-ec", script, package])
        .current_dir(&directory)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("sh").success(), "{package} is not there");
    directory.join("root")
}
