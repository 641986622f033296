//! Write a stage for `osbuild-wasm`.
//!
//! A stage is a program for `wasm32-wasip2` whose `main` hands a function to [`run`]:
//!
//! ```no_run
//! use osbuild_stage::{Arguments, Result};
//! use std::process::ExitCode;
//!
//! #[derive(serde::Deserialize)]
//! struct Options {
//!     text: String,
//! }
//!
//! fn main() -> ExitCode {
//!     osbuild_stage::run(greet)
//! }
//!
//! fn greet(arguments: Arguments<Options>) -> Result<()> {
//!     arguments.tree.create_dir_all("etc")?;
//!     arguments.tree.write("etc/motd", arguments.options.text)
//! }
//! ```
//!
//! What a stage uses of this crate is what it asks of the host: the interfaces `tree`, `command`, `loopback`, `mount`, `rpm`, `grub` and
//! `qemu-img` appear among the imports of the component only when its code reaches them.
#![forbid(unsafe_code)]

mod arguments;
mod bindings;
pub mod command;
mod error;
mod file;
pub mod grub;
pub mod ini;
pub mod json;
pub mod location;
pub mod loopback;
pub mod mount;
mod number;
pub mod path;
pub mod qemu_img;
pub mod report;
pub mod rpm;
mod run;
mod tree;

pub use arguments::{Arguments, Device, Input, Meta, Mount, Paths};
pub use bindings::osbuild::stage::types::ErrorCode;
pub use command::Command;
pub use error::{Context, Error, Result};
pub use file::{File, OpenMode};
pub use indexmap::IndexMap;
pub use number::Number;
pub use osbuild_stage_names as name;
pub use run::{run, run_with_lines};
pub use tree::{CopyOptions, Entry, FileType, Metadata, Timestamp, Tree};
