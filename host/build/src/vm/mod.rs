//! Pipelines that are built in a virtual machine.
//!
//! The machine boots a kernel of the pipeline's build root, or of this machine, with the /usr of this machine and the store to read.
//! In it this very program makes the same plan of the same manifest and runs the stages of one pipeline on a disk of the machine's own
//! ([`guest`]); what happens comes out as [`message`]s, finished trees as directories ([`host`]). What is asked for and what came of it
//! is the same as without the machine.
mod files;
mod guest;
mod host;
mod job;
mod message;

use crate::failure::{BuildError, Result};
use crate::inputs::storage;
use crate::plan::AuthorizedPlan;
pub use guest::{Guest, WORD};
pub(crate) use host::run_stages;
use osbuild_wasm_files::resolve::open_unshared_directory;
use osbuild_wasm_manifest::model::Pipeline;
use osbuild_wasm_packages::package_of;
use osbuild_wasm_vm::{Kernel, RootDirectory};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The variable that names a root directory with a kernel to take before all others.
const KERNEL: &str = "OSBUILD_WASM_KERNEL";

/// Programs of this machine without which there is no virtual machine.
const PROGRAMS: [&str; 3] = ["mkfs.ext4", "modprobe", EMULATOR];

/// The program that runs virtual machines of this architecture.
#[cfg(target_arch = "x86_64")]
pub const EMULATOR: &str = "qemu-system-x86_64";
/// The program that runs virtual machines of this architecture.
#[cfg(target_arch = "aarch64")]
pub const EMULATOR: &str = "qemu-system-aarch64";
/// There is none.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const EMULATOR: &str = "an emulator that this program knows for this architecture";

/// Which pipelines of a run are built in virtual machines, and what their inner side is told.
#[derive(Debug)]
pub struct VirtualMachines {
    pipelines: BTreeSet<String>,
    /// The manifest as a JSON document.
    document: String,
    /// The policy and how messages name it.
    policy: Option<(String, String)>,
    /// Root directory with the kernel that the user named.
    kernel: Option<PathBuf>,
}

impl VirtualMachines {
    /// For the pipelines of a plan that have one of these names. None: no pipeline has.
    ///
    /// # Errors
    /// This machine lacks something, or a pipeline needs what no virtual machine gives it.
    pub fn new(
        plan: &AuthorizedPlan<'_>,
        names: &[String],
        document: String,
        policy: Option<(String, String)>,
    ) -> Result<Option<Self>> {
        let planned = plan.document().pipelines.iter();
        let planned = planned.map(|pipeline| pipeline.name.clone());
        let machines = Self {
            pipelines: planned.filter(|name| names.contains(name)).collect(),
            document,
            policy,
            kernel: std::env::var_os(KERNEL).map(PathBuf::from),
        };
        if machines.pipelines.is_empty() {
            return Ok(None);
        }
        machines.refuse_what_is_missing(plan)?;
        machines.refuse_what_has_no_way_in(plan)?;
        Ok(Some(machines))
    }

    /// Whether a pipeline is built in one.
    pub(crate) fn has(&self, pipeline: &str) -> bool {
        self.pipelines.contains(pipeline)
    }

    /// Directories beside the store that machines see.
    pub fn scopes(&self) -> impl Iterator<Item = PathBuf> {
        self.kernel.clone().into_iter()
    }

    fn refuse_what_is_missing(&self, plan: &AuthorizedPlan<'_>) -> Result<()> {
        let missing = |program: &&&str| {
            let places = ["/usr/sbin", "/usr/bin"].map(|place| Path::new(place).join(program));
            !places.iter().any(|path| path.is_file())
        };
        if let Some(program) = PROGRAMS.iter().find(missing) {
            let package = package_of(program).map(|package| format!(": install {package}"));
            let package = package.unwrap_or_default();
            return Err(self.refusal(format!("this machine has no {program}{package}")));
        }
        // A build root may bring its own.
        let without_build_root = |pipeline: &&Pipeline| {
            self.has(&pipeline.name) && pipeline.build.as_deref().unwrap_or_default().is_empty()
        };
        let mut pipelines = plan.manifest().pipelines.iter();
        match pipelines.find(without_build_root) {
            Some(_) => self.kernel(None).map(drop),
            None => Ok(()),
        }
    }

    fn refuse_what_has_no_way_in(&self, plan: &AuthorizedPlan<'_>) -> Result<()> {
        let names = plan.document().pipelines.iter();
        for (pipeline, stages) in names.zip(plan.stages()) {
            if !self.has(&pipeline.name) {
                continue;
            }
            for (stage, module, planned) in stages {
                let what = if module.metadata.network {
                    "reaches the network"
                } else if storage::is_read_by(stage) {
                    "reads this machine's container storage"
                } else {
                    continue;
                };
                let place = format!("{} ({})", planned.ask.place, stage.requested_module());
                let reason = format!(
                    "it {what}, and no virtual machine does: build pipeline {} without --in-vm",
                    pipeline.name
                );
                return Err(BuildError::manifest(place, reason));
            }
        }
        Ok(())
    }

    fn refusal(&self, reason: String) -> BuildError {
        let names: Vec<_> = self.pipelines.iter().map(String::as_str).collect();
        BuildError::manifest(format!("--in-vm {}", names.join(", ")), reason)
    }

    /// The kernel that the user named, that of a build root, or that of this machine, with its root directory.
    fn kernel(&self, build_root: Option<&Path>) -> Result<(PathBuf, RootDirectory, Kernel)> {
        let named = self.kernel.as_deref();
        let places: Vec<_> = match named {
            Some(named) => vec![named],
            None => build_root.into_iter().chain([Path::new("/")]).collect(),
        };
        let mut reasons = Vec::new();
        if let Some(named) = named {
            // What runs in the machine decides what comes out of it.
            open_unshared_directory(named).map_err(BuildError::io(named))?;
        }
        for place in places {
            let root = RootDirectory::open(place).map_err(BuildError::io(place))?;
            match Kernel::find(&root) {
                Ok(kernel) => return Ok((place.to_owned(), root, kernel)),
                Err(reason) => reasons.push(format!("{}: {reason}", place.display())),
            }
        }
        Err(self.refusal(format!(
            "there is no kernel for a virtual machine ({}): install one in the build root or on this machine (Debian: linux-image-amd64, Fedora: \
             kernel), or name a root directory that has one in {KERNEL}",
            reasons.join("; ")
        )))
    }
}
