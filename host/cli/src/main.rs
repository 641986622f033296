//! `osbuild-wasm`: builds operating-system images from osbuild manifests, every stage a WebAssembly component in a sandbox.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the room that talks to the user"
)]

mod components;
mod doctor;
mod document;
mod exit;
mod inspect;
mod legacy;
mod monitor;
mod run;
mod stage;
mod validate;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// Builds operating-system images from osbuild manifests; every stage is a WebAssembly component that can touch nothing it was not
/// granted.
#[derive(Debug, Parser)]
#[command(
    name = "osbuild-wasm",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Inspect(inspect::InspectArguments),
    Validate(validate::ValidateArguments),
    #[command(subcommand)]
    Stage(stage::StageCommand),
    Doctor(doctor::DoctorArguments),
}

fn main() -> ExitCode {
    // Whatever is wrong with us is one line, not a backtrace.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("error: internal error, please report it: {panic}");
    }));
    let cli = Cli::parse();
    let exit = std::panic::catch_unwind(|| match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Stage(command) => stage::stage(&command),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
    });
    ExitCode::from(exit.unwrap_or(Exit::Failed) as u8)
}
