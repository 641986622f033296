//! What a process does to itself before it runs anything of others, as states that can only come about in this order: prepared,
//! isolated, helpers started, confined. Only the last one runs.
use crate::export;
use crate::failure::Result;
use crate::helper_processes::{HelperProcesses, helper_program};
use crate::isolation::{Isolation, isolate};
use crate::machine;
use crate::plan::AuthorizedPlan;
use crate::run::Export;
use crate::vm::VirtualMachines;
use crate::without_devices::Devices;
use osbuild_wasm_protocol::{Charter, Interface};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory to work in, the store or a tree; the process is as it was started.
#[derive(Debug)]
pub struct Prepared {
    directory: PathBuf,
}

/// A process in a mount namespace of its own, in which the directory allows no device nodes to be opened.
#[derive(Debug)]
pub struct Isolated {
    directory: PathBuf,
    isolation: Isolation,
}

/// The same with its helpers, which keep the privileges that they need.
#[derive(Debug)]
pub struct WithHelpers {
    isolation: Isolation,
    helpers: HelperProcesses,
}

/// A process that gave up every privilege that owning files does not take: it may run what others wrote.
#[derive(Debug)]
pub struct Confined {
    pub(crate) isolation: Isolation,
    pub(crate) helpers: Arc<HelperProcesses>,
}

impl Prepared {
    /// Begins with a directory that exists.
    pub fn new(directory: &Path) -> Self {
        // As long as the path of this program is that of the caller.
        _ = helper_program();
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Hides the mounts of this run from the rest of the machine. Without CAP_SYS_ADMIN nothing changes; what needs mounts then fails
    /// when it asks for them. Must come before threads are started.
    pub fn isolate(self) -> Result<Isolated> {
        let isolation = isolate(&self.directory)?;
        Ok(Isolated {
            directory: self.directory,
            isolation,
        })
    }
}

impl Isolated {
    /// Whether mounts of this run are invisible to the rest of the machine.
    pub fn is_private(&self) -> bool {
        self.isolation.is_private()
    }

    /// Refuses the first stage of a plan that needs what this process cannot have.
    pub fn refuse_impossible(
        &self,
        plan: &AuthorizedPlan<'_>,
        devices: Devices,
        machines: Option<&VirtualMachines>,
    ) -> Result<()> {
        machine::refuse_impossible((devices, machines), plan, &self.directory)
    }

    /// Refuses exports to where this process can put nothing.
    pub fn refuse_exports(&self, exports: &[Export]) -> Result<()> {
        export::check(exports)
    }

    /// Starts one process for each interface, which comes with the first stage that needs it; none of their sessions gets more than the
    /// charter has, and the directory.
    pub fn start_helpers(
        self,
        interfaces: impl IntoIterator<Item = (Interface, String)>,
        mut charter: Charter,
    ) -> Result<WithHelpers> {
        charter.scopes.push(self.directory);
        Ok(WithHelpers {
            isolation: self.isolation,
            helpers: HelperProcesses::start(interfaces, &charter)?,
        })
    }
}

impl WithHelpers {
    /// Gives up every capability that this process does not need.
    pub fn confine(self) -> Result<Confined> {
        self.isolation.give_up_privileges()?;
        Ok(Confined {
            isolation: self.isolation,
            helpers: Arc::new(self.helpers),
        })
    }
}
