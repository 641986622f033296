//! System calls that no safe crate offers: loop devices, namespaces of a thread, descriptors for a child.
//!
//! All unsafe code of the project is here. Every function is safe to call with any arguments.

pub mod loop_device;
pub mod namespace;
pub mod spawn;
