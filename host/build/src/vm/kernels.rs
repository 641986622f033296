//! Where the kernel of a virtual machine comes from: the root directory that the user named, or the build root, or this machine.
use osbuild_wasm_files::resolve::open_unshared_directory;
use osbuild_wasm_vm::{Kernel, RootDirectory};
use std::io;
use std::path::{Path, PathBuf};

/// The variable that names a root directory with a kernel to take before all others.
const KERNEL: &str = "OSBUILD_WASM_KERNEL";

/// The kernels that there are to choose from.
#[derive(Debug)]
pub(super) struct Kernels {
    /// Root directory that the user named.
    named: Option<PathBuf>,
}

/// A kernel and the root directory that it is of.
pub(super) type Found = (PathBuf, RootDirectory, Kernel);

impl Kernels {
    /// Those of this machine, of this user.
    pub(super) fn here() -> Self {
        let named = std::env::var_os(KERNEL).filter(|named| !named.is_empty());
        Self {
            named: named.map(PathBuf::from),
        }
    }

    /// The root directory that the user named.
    pub(super) fn named(&self) -> Option<&Path> {
        self.named.as_deref()
    }

    /// The kernel to boot for a pipeline with this build root, or why there is none and what to do.
    pub(super) fn choose(&self, build_root: Option<&Path>) -> Result<Found, String> {
        let mut reasons = Vec::new();
        let places = match self.named() {
            Some(named) => {
                // What runs in the machine decides what comes out of it.
                open_unshared_directory(named).map_err(at(named))?;
                vec![named]
            }
            None => build_root.into_iter().chain([Path::new("/")]).collect(),
        };
        for place in places {
            let root = RootDirectory::open(place).map_err(at(place))?;
            match Kernel::find(&root) {
                Ok(kernel) => return Ok((place.to_owned(), root, kernel)),
                Err(reason) => reasons.push(format!("{}: {reason}", place.display())),
            }
        }
        Err(format!(
            "there is no kernel for a virtual machine ({}): install one in the build root or on this machine (Debian: linux-image-amd64, Fedora: kernel), or \
             name a root directory that has one in {KERNEL}",
            reasons.join("; ")
        ))
    }

    /// Which kernel a pipeline will have, in words, before its build pipeline is built.
    pub(super) fn foresee(&self, build: Option<&str>) -> Result<String, String> {
        let of_build = build.map(|build| format!("that of pipeline {build}"));
        let version = self.choose(None).map(|(.., kernel)| kernel.version);
        match (version, of_build, self.named()) {
            (Ok(version), _, Some(named)) => Ok(format!(
                "{version} of {}, which {KERNEL} names",
                named.display()
            )),
            (Ok(version), Some(of_build), None) => Ok(format!(
                "{of_build} if it has one, else {version} of this machine"
            )),
            (Ok(version), None, None) => Ok(format!("{version} of this machine")),
            (Err(_), Some(of_build), None) => Ok(format!("{of_build}; this machine has none")),
            (Err(reason), ..) => Err(reason),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
