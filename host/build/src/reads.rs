//! What a component reads of the build root: found inside of it once, and passed on as what was found.
use crate::failure::{BuildError, Result};
use crate::inputs::open_in_tree;
use crate::sandbox::{Once, link_of};
use osbuild_wasm_capability::policy::Links;
use osbuild_wasm_capability::{Access, Root, readable_on_this_machine};
use osbuild_wasm_protocol::BuildRoot;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use std::path::PathBuf;

/// The parts of a build root that one stage may read, each held open.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    found: Vec<(String, OwnedFd)>,
}

impl Reads {
    /// Opens these paths of a build root. Links, absolute ones too, lead nowhere but inside of it, and where it is this machine, not out
    /// of what anybody may read. What is not there is not granted.
    pub(crate) fn open(build_root: &BuildRoot<Once>, paths: &[String]) -> Result<Self> {
        let (top, is_machine) = match build_root {
            BuildRoot::Host => (PathBuf::from("/"), true),
            BuildRoot::Directory(top) => (link_of(&*top.open()?), false),
        };
        let mut found = Vec::new();
        for path in paths {
            let Ok(handle) = open_in_tree(&top, path, OFlags::PATH, Links::Follow) else {
                continue;
            };
            let place = std::fs::read_link(link_of(&handle)).map_err(BuildError::io(path))?;
            if !is_machine || readable_on_this_machine(&place) {
                found.push((path.clone(), handle));
            }
        }
        Ok(Self { found })
    }

    /// What they are for a grant, as long as this lives.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        self.found.iter().map(|(contract, handle)| Root {
            contract: contract.clone(),
            host: link_of(handle),
            access: Access::Read,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn opened(top: &Path, path: &str) -> Vec<PathBuf> {
        let root = BuildRoot::Directory(Once::new(top));
        let reads = Reads::open(&root, &[path.to_owned()]).expect("a build root");
        let real = |root: Root| std::fs::read_link(root.host).expect("open");
        reads.roots().map(real).collect()
    }

    #[test]
    fn links_and_dots_lead_nowhere_but_inside_of_the_build_root() {
        let scratch = tempfile::tempdir().expect("a directory");
        let top = scratch.path().canonicalize().expect("a path").join("root");
        std::fs::create_dir_all(top.join("etc/real")).expect("a directory");
        symlink("/etc/real", top.join("etc/inside")).expect("a link");
        symlink("/root", top.join("etc/outside")).expect("a link");
        symlink("../../../../../../root", top.join("etc/up")).expect("a link");
        assert_eq!(opened(&top, "/etc/inside"), [top.join("etc/real")]);
        assert_eq!(opened(&top, "/../../etc"), [top.join("etc")]);
        for path in ["/etc/outside", "/etc/up", "/missing"] {
            assert!(opened(&top, path).is_empty(), "{path}");
        }
    }

    #[test]
    fn of_this_machine_nothing_but_programs_and_their_configuration_is_opened() {
        let paths = ["/", "/etc/shadow", "/usr/../etc", "/usr/share"].map(str::to_owned);
        let reads = Reads::open(&BuildRoot::Host, &paths).expect("this machine");
        let found: Vec<_> = reads.roots().map(|root| root.contract).collect();
        assert_eq!(found, ["/usr/share"]);
    }
}
