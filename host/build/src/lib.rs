//! Carries a plan out: sources, pipelines, stages, exports.
//!
//! A run begins with a [`Plan`], which says all that may happen and runs once it is authorized, and with a process that is [`Confined`].
//! Nothing here prints; what happens goes to an [`osbuild_wasm_events::Observer`], what came out is a
//! [`osbuild_wasm_events::RunOutcome`].
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "the directories of a build are its own: scratch directories of the store"
)]

mod arguments;
mod attached;
mod attributes;
mod charter;
mod chroot;
mod confinement;
mod devices;
mod export;
mod failure;
mod file_systems;
mod helper_processes;
mod helpers;
mod inputs;
mod interrupt;
mod inventory;
mod isolation;
mod leases;
mod limits;
mod log;
mod machine;
mod mounts;
mod pipeline;
mod plan;
mod programs;
mod proxy;
mod reads;
mod record;
mod run;
mod sandbox;
mod schedule;
mod sectors;
mod shell;
mod single;
mod stage;
mod trees;
mod user_namespace;
mod vm;
mod without_devices;

pub use charter::{add_beside_stages, charter_of_module};
pub use confinement::{Confined, Isolated, Prepared, WithHelpers};
pub use failure::{BuildError, Denied};
pub use helper_processes::{helper_program, needed_by};
pub use interrupt::Interrupt;
pub use inventory::PROGRAM as INVENTORY;
pub use limits::{LowLimit, raise_limits};
pub use plan::{AuthorizedPlan, Lookup, Plan, PlanRequest};
pub use record::Records;
pub use run::{Export, ReportRequest, Request, Settings};
pub use shell::PROGRAM as SHELL;
pub use single::SingleStage;
pub use user_namespace::{SubordinateIds, enter_user_namespace};
pub use vm::{EMULATOR, Guest, VirtualMachines, WORD as GUEST};
pub use without_devices::{Devices, has_device_mapper, has_loop_devices};
