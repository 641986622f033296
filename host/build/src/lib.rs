//! Carries a plan out: sources, pipelines, stages, exports.
//!
//! Nothing here prints; what happens goes to an [`osbuild_wasm_manifest::run::Observer`], what came out is a
//! [`osbuild_wasm_manifest::run::RunOutcome`].
#![forbid(unsafe_code)]

mod arguments;
mod charter;
mod devices;
mod export;
mod failure;
mod file_systems;
mod held;
mod helpers;
mod inputs;
mod inventory;
mod isolation;
mod jobs;
mod key;
mod log;
mod machine;
mod mounts;
mod pipeline;
mod plan;
mod proxy;
mod record;
mod run;
mod sandbox;
mod shell;
mod single;
mod stage;
mod trees;
mod user_namespace;
mod without_devices;

pub use charter::charter;
pub use failure::BuildError;
pub use helpers::{HelperProcesses, helper_program, needed_by, needed_by_stage, scopes_of};
pub use isolation::{Isolation, isolate};
pub use machine::refuse_impossible;
pub use plan::{PlanRequest, lock, plan};
pub use record::Records;
pub use run::{Account, Export, Interrupt, Request, Settings, run};
pub use shell::PROGRAM as SHELL;
pub use single::{SingleStage, run_single};
pub use user_namespace::{SubordinateIds, enter_user_namespace};
pub use without_devices::Devices;
