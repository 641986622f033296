//! Helpers that the integration tests share: running the program, scratch directories, hostile components, what the machine has.
//!
//! - `OSBUILD_WASM` names the program to test; otherwise it is the one that was built into the target directory of the tests. The helper
//!   is the one beside it.
//! - What needs root or a tool is skipped where that is missing, and fails instead where `CI` is set.
//! - Snapshots (`insta`) are set anew by `INSTA_UPDATE=always`, those inside of sources by `cargo insta review`.
//! - `suite` takes seconds; `image` builds and boots images and takes minutes. Both keep what is slow to make (compiled components, the
//!   RPM repository, built pipelines) in the `tmp` folder of the target directory.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "only tests use this"
)]

pub mod cases;
pub mod debian;
pub mod documentation;
pub mod hostile;
pub mod machine;
pub mod manifest;
pub mod paths;
pub mod program;
pub mod scratch;
pub mod text;
pub mod user;

pub use program::{Ended, Program, Running};
pub use scratch::Scratch;
