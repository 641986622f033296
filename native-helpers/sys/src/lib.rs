//! System calls that no safe crate offers: loop devices, mounts, namespaces of a thread, what a child inherits and may do,
//! signals.
//!
//! All unsafe code of the project is here, but for that of `solver-sys`, which calls libsolv, and for one function of `host/component`,
//! which loads compiled components. Every function is safe to call with any arguments.

pub mod enter;
pub mod loop_device;
pub mod mount;
pub mod namespace;
pub mod signal;
pub mod spawn;
