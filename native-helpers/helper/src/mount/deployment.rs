//! An OSTree deployment as the root of its system root.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use osbuild_wasm_protocol::{Deployment, DeploymentName, ErrorCode, Failure, Mounted};
use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;

use super::place::{Place, copy, move_to};
use super::{MOUNTS, check_private};
use crate::access::{Need, TREE, open_inside};
use crate::failure::{About, denied, invalid};
use crate::session::Session;

/// Mounts it. Everything is attached on top of one mount, a copy of the system root over itself; taking that away undoes it all.
pub fn deployment(session: &mut Session, call: &Deployment) -> Result<Mounted, Failure> {
    let contract = call.root.as_str();
    if ![TREE, MOUNTS].contains(&contract) {
        let detail = format!("a system root is {TREE} or {MOUNTS}");
        return Err(denied(contract, detail));
    }
    let name = match &call.name {
        Some(name) => name.clone(),
        None => only_deployment(&open_root(session, contract)?, contract)?,
    };
    let path = path_of(&name)?;
    let below = open_root(session, contract)?;
    check_private(&below, contract)?;
    let outer = Place::attach(copy(&below, contract)?, &below, contract)?;
    // Opened again: this is now the copy, out of which the deployment can be moved.
    let made = open_root(session, contract).and_then(|root| assemble(&root, &path, &name.osname));
    if let Err(failure) = made {
        let _ = outer.detach();
        return Err(failure);
    }
    Ok(Mounted {
        handle: session.hold(Box::new(outer)),
        path: contract.to_owned(),
    })
}

fn open_root(session: &Session, contract: &str) -> Result<OwnedFd, Failure> {
    session
        .access
        .open(contract, Need::Write, OFlags::PATH | OFlags::DIRECTORY)
}

/// Puts the parts of the system root into the deployment, and the deployment over the system root.
fn assemble(root: &OwnedFd, path: &Path, osname: &str) -> Result<(), Failure> {
    let name = path.to_string_lossy();
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    let open = |root: &OwnedFd, path: &Path| {
        open_inside(root, path, directory).about(path, "open this directory of the deployment")
    };
    let place = open_inside(root, path, directory).about(path, "find this deployment")?;
    let deployment = copy(&place, &name)?;
    move_to(&deployment, &place, &name)?;
    let var = Path::new("ostree/deploy").join(osname).join("var");
    for (source, target) in [
        (Path::new("."), "sysroot"),
        (&var, "var"),
        (Path::new("boot"), "boot"),
    ] {
        let mount = copy(open(root, source)?, target)?;
        move_to(&mount, &open(&deployment, Path::new(target))?, target)?;
    }
    move_to(&deployment, root, &name)
}

/// Path of a deployment in its system root.
fn path_of(name: &DeploymentName) -> Result<PathBuf, Failure> {
    let commit = format!("{}.{}", name.commit, name.serial);
    for part in [&name.osname, &commit] {
        let mut parts = Path::new(part).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(invalid(part, "this is no part of a deployment's path"));
        }
    }
    Ok(Path::new("ostree/deploy")
        .join(&name.osname)
        .join("deploy")
        .join(commit))
}

/// The only deployment with serial 0.
fn only_deployment(root: &OwnedFd, contract: &str) -> Result<DeploymentName, Failure> {
    let mut found = Vec::new();
    let systems = Path::new("ostree/deploy");
    for osname in names(root, systems)? {
        for name in names(root, &systems.join(&osname).join("deploy"))? {
            if let Some(commit) = name.strip_suffix(".0") {
                found.push(DeploymentName {
                    osname: osname.clone(),
                    commit: commit.to_owned(),
                    serial: 0,
                });
            }
        }
    }
    if found.len() > 1 {
        let detail = format!(
            "there are {} deployments: name one with `osname` and `ref` instead of `default`",
            found.len()
        );
        return Err(Failure::new(ErrorCode::Invalid, contract, detail));
    }
    let none = || {
        let detail = "there is no OSTree deployment (ostree/deploy/*/deploy/*.0)";
        Failure::new(ErrorCode::NotFound, contract, detail)
    };
    found.pop().ok_or_else(none)
}

/// Names in a directory; none when it is missing.
fn names(root: &OwnedFd, path: &Path) -> Result<Vec<String>, Failure> {
    let directory = match open_inside(root, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        opened => opened.about(path, "open this directory")?,
    };
    let entries = Dir::read_from(&directory).about(path, "list this directory")?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().map(ToOwned::to_owned).ok());
    Ok(names.filter(|name| name != "." && name != "..").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(directories: &[&str]) -> (tempfile::TempDir, OwnedFd) {
        let top = tempfile::tempdir().unwrap();
        for directory in directories {
            std::fs::create_dir_all(top.path().join(directory)).unwrap();
        }
        let file = std::fs::File::open(top.path()).unwrap();
        (top, file.into())
    }

    #[test]
    fn the_default_deployment_is_the_only_one_with_serial_0() {
        let (_top, root) = root_with(&[
            "ostree/deploy/a/deploy/123.0",
            "ostree/deploy/a/deploy/123.1",
            "ostree/deploy/b/var",
        ]);
        let name = only_deployment(&root, TREE).unwrap();
        assert_eq!(
            path_of(&name).unwrap(),
            Path::new("ostree/deploy/a/deploy/123.0")
        );
    }

    #[test]
    fn none_and_several_deployments_are_an_error() {
        let (_top, root) = root_with(&["ostree/deploy/a/deploy/123.1"]);
        let failure = only_deployment(&root, TREE).unwrap_err();
        assert_eq!(failure.code, ErrorCode::NotFound);
        let (_top, root) = root_with(&["ostree/deploy/a/deploy/1.0", "ostree/deploy/b/deploy/2.0"]);
        let failure = only_deployment(&root, TREE).unwrap_err();
        assert!(failure.detail.contains("2 deployments"), "{failure}");
    }

    #[test]
    fn a_deployment_is_no_way_out() {
        for (osname, commit) in [("..", "1"), ("a/b", "1"), ("a", "../1"), ("", "1")] {
            let name = DeploymentName {
                osname: osname.into(),
                commit: commit.into(),
                serial: 0,
            };
            assert!(path_of(&name).is_err(), "{osname} {commit}");
        }
    }
}
