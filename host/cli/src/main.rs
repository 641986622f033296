//! `osbuild-wasm`: builds operating-system images from osbuild manifests, every stage a WebAssembly component in a sandbox.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests make their own files")
)]
#[macro_use]
mod print;

mod blueprint_file;
mod build_args;
mod command_error;
mod commands;
mod components;
mod document;
mod format;
mod image;
mod interruption;
mod monitor;
mod output_file;
mod policy_file;
mod style;

use clap::Parser;
use command_error::CommandError;
use command_error::Exit;
use commands::{Subcommand, serve_compiler, serve_guest, stand_in};
use osbuild_wasm_build::{GUEST, raise_limits};
use osbuild_wasm_component::Compiler;
use osbuild_wasm_report::Diagnostic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use style::Style;

const EXAMPLES: &str = "\
Examples:
  # What is this machine fit for?
  osbuild-wasm doctor

  # Is the manifest good? Then build its pipeline `image` into ./out/image
  osbuild-wasm validate manifest.json
  osbuild-wasm run --export image --output-directory out manifest.json

  # Who would do what to which files, and does the policy allow it?
  osbuild-wasm plan --policy policy.toml manifest.json

  # What may this stage do?
  osbuild-wasm stage show org.osbuild.mkfs.ext4

Linked as `osbuild`, `image-builder` or `bootc-image-builder`, the program takes that program's command line.

Environment:
  OSBUILD_WASM_PATH     directories with plugins, separated by colons
  OSBUILD_WASM_PLUGINS  directory of installed plugins (see `osbuild-wasm plugin --help`)
  OSBUILD_WASM_KERNEL   root directory with the kernel of virtual machines (see `osbuild-wasm run --help`)
  NO_COLOR              no colours when set";

/// Builds operating-system images from osbuild manifests; every stage is a WebAssembly component that can touch nothing it was not
/// granted.
#[derive(Debug, Parser)]
#[command(
    name = "osbuild-wasm",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Subcommand,
}

fn main() -> ExitCode {
    // Whatever is wrong with us is one line, not a backtrace.
    std::panic::set_hook(Box::new(|panic| match panic.to_string() {
        // Libraries start threads without a word for whoever may not have them.
        told if told.contains("Resource temporarily unavailable") => errln!(
            "error: no further thread can be started: raise the limit of processes and threads (`ulimit -u`), or end some"
        ),
        told => errln!("error: internal error, please report it: {told}"),
    }));
    let exit = std::panic::catch_unwind(carry_out);
    ExitCode::from(exit.unwrap_or(Exit::Failed) as u8)
}

/// Under the name of another program, or asked to act as it by the first word, its command line; the compiler and the inner side of a virtual
/// machine, which this program starts; else ours.
fn carry_out() -> Exit {
    if let Err(limit) = raise_limits() {
        let diagnostic = Diagnostic::new(limit.to_string()).hint(limit.remedy());
        return CommandError::failed(diagnostic).show(Style::Own);
    }
    let mut words = std::env::args_os();
    let program = words.next().map(PathBuf::from);
    if let Some(main) = program
        .as_deref()
        .and_then(Path::file_name)
        .and_then(stand_in)
    {
        return main(std::env::args_os().collect());
    }
    let first = words.next();
    if let Some(main) = first.as_deref().and_then(stand_in) {
        return main(std::env::args_os().skip(1).collect());
    }
    match first {
        Some(word) if word == Compiler::WORD => serve_compiler(words),
        Some(word) if word == GUEST => serve_guest(),
        _ => Cli::parse().command.carry_out(),
    }
}
