//! Composer and worker as programs: what becomes of composes, whatever happens to whom.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the directory is the test's own")]
mod composes;
mod kills;
mod machine;
mod network;
#[path = "../../../jobs/tests/support/mod.rs"]
mod support;

use machine::Machine;
