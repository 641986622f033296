//! Plugins as their authors and users handle them: projects in every language, the conformance kit, installing, signing, publishing.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by it, helpers of tests included"
)]

mod conformance;
mod hostile_registry;
mod install;
mod projects;
mod registry;
mod signatures;
mod tutorial;
