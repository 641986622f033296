//! Pipelines that are built in a virtual machine.
//!
//! The machine boots a kernel of the pipeline's build root, or of this machine, with the /usr of this machine and the store to read.
//! In it this very program makes the same plan of the same manifest and runs the stages of one pipeline on a disk of the machine's own
//! ([`guest`]); what happens comes out as [`message`]s, finished trees as directories ([`host`]). What is asked for and what came of it
//! is the same as without the machine.
mod course;
mod files;
mod guest;
mod host;
mod job;
mod kept;
mod kernels;
mod message;

use crate::failure::{BuildError, Result};
use crate::inputs::storage;
use crate::plan::AuthorizedPlan;
pub use guest::{Guest, WORD};
pub(crate) use host::run_stages;
pub(crate) use kept::Kept;
use kernels::Kernels;
use osbuild_wasm_capability::plan::{Planned, VirtualMachine};
use osbuild_wasm_component::Module;
use osbuild_wasm_manifest::model::Stage;
use osbuild_wasm_packages::package_of;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

/// Memory of a machine in MiB, as osbuild gives its machines.
const MEMORY: u64 = 3072;

/// The initial RAM disk, in words.
const INITRD: &str = "made for the run: the kernel's own modules, and the helper of this program as the first process";

/// What is known of the machine of a pipeline with this build pipeline, before it runs.
pub(crate) fn foresee(build: Option<&str>) -> VirtualMachine {
    let missing = |program: &&&str| {
        let places = ["/usr/sbin", "/usr/bin"].map(|place| Path::new(place).join(program));
        !places.iter().any(|path| path.is_file())
    };
    let missing = PROGRAMS.iter().find(missing).map(|program| {
        let package = package_of(program).map(|package| format!(": install {package}"));
        format!(
            "this machine has no {program}{}",
            package.unwrap_or_default()
        )
    });
    let (kernel, without_kernel) = match Kernels::here().foresee(build) {
        Ok(kernel) => (kernel, None),
        Err(reason) => ("none".to_owned(), Some(reason)),
    };
    VirtualMachine {
        kernel,
        initrd: INITRD.to_owned(),
        memory: MEMORY << 20,
        lacks: missing.or(without_kernel).unwrap_or_default(),
    }
}

/// Why a stage cannot run in a virtual machine.
pub(crate) fn refuses(stage: &Stage, module: &Module) -> Option<String> {
    let what = if module.metadata.network {
        "reaches the network"
    } else if storage::is_read_by(stage) {
        "reads this machine's container storage"
    } else {
        return None;
    };
    Some(format!(
        "it {what}, and no virtual machine does: build its pipeline without --in-vm"
    ))
}

/// Which pipelines of a run are built in virtual machines, and what their inner side is told.
#[derive(Debug)]
pub struct VirtualMachines {
    pipelines: BTreeSet<String>,
    /// The manifest as a JSON document.
    document: String,
    /// The policy and how messages name it.
    policy: Option<(String, String)>,
    kernels: Kernels,
}

impl VirtualMachines {
    /// For the pipelines of which the plan says so ([`crate::Plan::use_virtual_machines`]). None: of no pipeline.
    ///
    /// # Errors
    /// This machine lacks something, or a stage needs what no virtual machine gives it.
    pub fn new(
        plan: &AuthorizedPlan<'_>,
        document: String,
        policy: Option<(String, String)>,
    ) -> Result<Option<Self>> {
        let mut pipelines = BTreeSet::new();
        for pipeline in &plan.document().pipelines {
            let Some(machine) = &pipeline.virtual_machine else {
                continue;
            };
            if !machine.lacks.is_empty() {
                let place = format!("--in-vm {}", pipeline.name);
                return Err(BuildError::manifest(place, &*machine.lacks));
            }
            let refused = pipeline.stages.iter().find(|stage| !stage.lacks.is_empty());
            if let Some(Planned { ask, lacks, .. }) = refused {
                let place = format!("{} ({})", ask.place, ask.module.name);
                return Err(BuildError::manifest(place, &**lacks));
            }
            pipelines.insert(pipeline.name.clone());
        }
        Ok((!pipelines.is_empty()).then(|| Self {
            pipelines,
            document,
            policy,
            kernels: Kernels::here(),
        }))
    }

    /// Whether a pipeline is built in one.
    pub(crate) fn has(&self, pipeline: &str) -> bool {
        self.pipelines.contains(pipeline)
    }

    /// Directories beside the store that machines see.
    pub fn scopes(&self) -> impl Iterator<Item = PathBuf> {
        self.kernels.named().map(Path::to_owned).into_iter()
    }
}
